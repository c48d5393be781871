package postgres

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"im/domain"
)

// Cursors are opaque to clients and hold nothing that is not theirs to know.
// The first byte says what a cursor is of, so that one is not taken for another.
const (
	cursorOfSync      = 's'
	cursorOfList      = 'c'
	cursorOfMembers   = 'm'
	cursorOfFeed      = 'f'
	cursorOfBlocks    = 'b'
	cursorOfReceipts  = 'r'
	cursorOfReactions = 'e'
	cursorOfPins      = 'p'
	cursorOfTrace     = 't'
	cursorOfSearch    = 'q'
)

// cursorWriter builds a cursor field by field.
type cursorWriter struct{ data []byte }

func newCursor(of byte) *cursorWriter { return &cursorWriter{[]byte{of}} }

func (w *cursorWriter) number(n uint64) { w.data = binary.AppendUvarint(w.data, n) }

func (w *cursorWriter) text(s string) {
	w.number(uint64(len(s)))
	w.data = append(w.data, s...)
}

func (w *cursorWriter) snapshot(s snapshot) { w.data = s.appendTo(w.data) }

func (w *cursorWriter) key(k activityKey) {
	w.number(uint64(k.at.UnixMicro()))
	w.data = append(w.data, k.id[:]...)
}

func (w *cursorWriter) String() string { return base64.RawURLEncoding.EncodeToString(w.data) }

// cursorReader reads what a cursorWriter wrote. After the last field, err tells
// whether it was all there and nothing else.
type cursorReader struct {
	data []byte
	bad  bool
}

func readCursor(of byte, cursor string) *cursorReader {
	data, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(data) == 0 || data[0] != of {
		return &cursorReader{bad: true}
	}
	return &cursorReader{data: data[1:]}
}

func (r *cursorReader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.data)) {
		r.bad = true
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *cursorReader) number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.take(uint64(size))
	return n
}

// text is what PostgreSQL can hold: cursors are not signed, and anybody may
// make one of anything.
func (r *cursorReader) text() string {
	text := string(r.take(r.number()))
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		r.bad = true
		return ""
	}
	return text
}

func (r *cursorReader) snapshot() snapshot {
	s := snapshot{xmin: r.number()}
	s.xmax = s.xmin + r.number()
	count := r.number()
	if count > maxInProgress {
		r.bad = true
		return snapshot{}
	}
	last := s.xmin
	for range count {
		last += r.number()
		s.xip = append(s.xip, last)
	}
	if s.check() != nil {
		r.bad = true
	}
	return s
}

func (r *cursorReader) key() activityKey {
	micros := int64(r.number())
	if micros < (time.Time{}).UnixMicro() || micros > latestActivity().at.UnixMicro() {
		r.bad = true
		micros = 0
	}
	k := activityKey{at: time.UnixMicro(micros)}
	copy(k.id[:], r.take(uint64(len(k.id))))
	return k
}

func (r *cursorReader) err() error {
	if r.bad || len(r.data) > 0 {
		return domain.ErrCursorInvalid
	}
	return nil
}

// activityKey is a place in a list that is ordered by newest activity.
type activityKey struct {
	at time.Time
	id domain.ConversationID
}

// latestActivity is above all that is stored; its time is the last one that
// PostgreSQL and a cursor can both hold.
func latestActivity() activityKey {
	return activityKey{at: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
}
