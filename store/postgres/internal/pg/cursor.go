package pg

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"im/domain"
)

// A cursor is a version, a kind, and fields:
//
//	version  first bytes  what it says of the log
//	0        kind         an epoch, and snapshots: of the only shard. It is read, and no longer written
//	1        1, kind      a list of shards: the number of each, its epoch, its snapshots
//
// A shard is a PostgreSQL server that has some of the conversations. There is one, with
// the number 0. A cursor that names others is invalid: whoever has it starts again.
const cursorVersion = 1

// The kinds of cursors, so that a cursor of one list is refused by another. Clients treat
// cursors as opaque, but can decode them, so a cursor holds nothing that its client may
// not know. Kinds are letters, which no version is.
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
	CursorBans      = 'n'
	CursorMutes     = 'u'
	CursorReports   = 'o'
	CursorWebhooks  = 'w'

	CursorDeliveries = 'd'
	CursorEventFeed  = 'v'
)

// CursorWriter builds a cursor field by field.
type CursorWriter struct{ data []byte }

// NewCursor returns a writer of a cursor of a kind.
func NewCursor(kind byte) *CursorWriter { return &CursorWriter{[]byte{cursorVersion, kind}} }

// Shard appends the list of shards up to the epoch of the only one. The snapshots of the
// shard come next.
func (w *CursorWriter) Shard(epoch string) {
	w.Number(1) // shards
	w.Number(0) // its number
	w.Text(epoch)
}

// Number appends a number.
func (w *CursorWriter) Number(n uint64) { w.data = binary.AppendUvarint(w.data, n) }

// Text appends a text.
func (w *CursorWriter) Text(s string) {
	w.Number(uint64(len(s)))
	w.data = append(w.data, s...)
}

// Snapshot appends a snapshot.
func (w *CursorWriter) Snapshot(s Snapshot) { w.data = s.appendTo(w.data) }

// Key appends a place in a list.
func (w *CursorWriter) Key(k ActivityKey) {
	w.Number(uint64(k.At.UnixMicro()))
	w.data = append(w.data, k.ID[:]...)
}

// UUID appends an id.
func (w *CursorWriter) UUID(id [16]byte) { w.data = append(w.data, id[:]...) }

// String returns the cursor.
func (w *CursorWriter) String() string { return base64.RawURLEncoding.EncodeToString(w.data) }

// CursorReader reads the fields of a cursor in the order in which they were written. The
// error is kept until Err; the fields are zero after it. Cursors are not signed, so a
// reader validates every field.
type CursorReader struct {
	data    []byte
	version byte
	bad     bool
}

// ReadCursor returns a reader of a cursor of a kind.
func ReadCursor(kind byte, cursor string) *CursorReader {
	data, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return &CursorReader{bad: true}
	}
	r := &CursorReader{data: data}
	if len(data) > 0 && data[0] == cursorVersion {
		r.version, r.data = cursorVersion, data[1:]
	}
	if first := r.take(1); r.bad || first[0] != kind {
		r.bad = true
	}
	return r
}

// Version returns the version of the cursor.
func (r *CursorReader) Version() byte { return r.version }

// Shard reads the list of shards up to the epoch of the only one.
func (r *CursorReader) Shard() (epoch string) {
	if r.version > 0 && (r.Number() != 1 || r.Number() != 0) {
		r.bad = true
	}
	return r.Text()
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

// Number reads a number.
func (r *CursorReader) Number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.take(uint64(size))
	return n
}

// Text reads a text. One that PostgreSQL cannot store makes the cursor invalid.
func (r *CursorReader) Text() string {
	text := string(r.take(r.Number()))
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		r.bad = true
		return ""
	}
	return text
}

// Snapshot reads a snapshot.
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

// Key reads a place in a list.
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

// UUID reads an id.
func (r *CursorReader) UUID() (id [16]byte) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

// Err returns domain.ErrCursorInvalid unless all fields were valid and nothing is left.
func (r *CursorReader) Err() error {
	if r.bad || len(r.data) > 0 {
		return domain.ErrCursorInvalid
	}
	return nil
}

// ActivityKey is a place in a list of conversations in the order of their activity.
type ActivityKey struct {
	At time.Time
	ID domain.ConversationID
}

// LatestActivity returns a key above all stored ones. Its time is the latest that both
// PostgreSQL and a cursor can hold.
func LatestActivity() ActivityKey {
	return ActivityKey{At: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
}
