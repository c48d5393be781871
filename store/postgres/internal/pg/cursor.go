package pg

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
	CursorSync      = 's'
	CursorList      = 'c'
	CursorMembers   = 'm'
	CursorFeed      = 'f'
	CursorBlocks    = 'b'
	CursorReceipts  = 'r'
	CursorReactions = 'e'
	CursorPins      = 'p'
	CursorTrace     = 't'
	CursorSearch    = 'q'
)

// CursorWriter builds a cursor field by field.
type CursorWriter struct{ data []byte }

func NewCursor(of byte) *CursorWriter { return &CursorWriter{[]byte{of}} }

func (w *CursorWriter) Number(n uint64) { w.data = binary.AppendUvarint(w.data, n) }

func (w *CursorWriter) Text(s string) {
	w.Number(uint64(len(s)))
	w.data = append(w.data, s...)
}

func (w *CursorWriter) Snapshot(s Snapshot) { w.data = s.appendTo(w.data) }

func (w *CursorWriter) Key(k ActivityKey) {
	w.Number(uint64(k.At.UnixMicro()))
	w.data = append(w.data, k.ID[:]...)
}

func (w *CursorWriter) String() string { return base64.RawURLEncoding.EncodeToString(w.data) }

// CursorReader reads what a CursorWriter wrote. After the last field, err tells
// whether it was all there and nothing else.
type CursorReader struct {
	data []byte
	bad  bool
}

func ReadCursor(of byte, cursor string) *CursorReader {
	data, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(data) == 0 || data[0] != of {
		return &CursorReader{bad: true}
	}
	return &CursorReader{data: data[1:]}
}

func (r *CursorReader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.data)) {
		r.bad = true
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *CursorReader) Number() uint64 {
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
func (r *CursorReader) Text() string {
	text := string(r.take(r.Number()))
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		r.bad = true
		return ""
	}
	return text
}

func (r *CursorReader) Snapshot() Snapshot {
	s := Snapshot{Xmin: r.Number()}
	s.Xmax = s.Xmin + r.Number()
	count := r.Number()
	if count > maxInProgress {
		r.bad = true
		return Snapshot{}
	}
	last := s.Xmin
	for range count {
		last += r.Number()
		s.Xip = append(s.Xip, last)
	}
	if s.check() != nil {
		r.bad = true
	}
	return s
}

func (r *CursorReader) Key() ActivityKey {
	micros := int64(r.Number())
	if micros < (time.Time{}).UnixMicro() || micros > LatestActivity().At.UnixMicro() {
		r.bad = true
		micros = 0
	}
	k := ActivityKey{At: time.UnixMicro(micros)}
	copy(k.ID[:], r.take(uint64(len(k.ID))))
	return k
}

func (r *CursorReader) Err() error {
	if r.bad || len(r.data) > 0 {
		return domain.ErrCursorInvalid
	}
	return nil
}

// ActivityKey is a place in a list that is ordered by newest activity.
type ActivityKey struct {
	At time.Time
	ID domain.ConversationID
}

// LatestActivity is above all that is stored; its time is the last one that
// PostgreSQL and a cursor can both hold.
func LatestActivity() ActivityKey {
	return ActivityKey{At: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
}
