package appendlog

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// The binary form of values, as PostgreSQL's functions array_recv and array_send
// (src/backend/utils/adt/arrayfuncs.c) read and write it. Only the append, which
// is most of all traffic, is written by hand.
const (
	boolOID  = pgtype.BoolOID
	byteaOID = pgtype.ByteaOID
	int4OID  = pgtype.Int4OID
	int8OID  = pgtype.Int8OID
	textOID  = pgtype.TextOID
	uuidOID  = pgtype.UUIDOID
)

// params gathers the parameters of a statement in one piece of memory.
type params struct {
	data []byte
	ends []int
}

func (p *params) uuid(v [16]byte) { p.data = append(p.data, v[:]...); p.end() }
func (p *params) text(v string)   { p.data = append(p.data, v...); p.end() }
func (p *params) end()            { p.ends = append(p.ends, len(p.data)) }

// values returns them all; p must not be added to afterwards.
func (p *params) values() [][]byte {
	values := make([][]byte, len(p.ends))
	start := 0
	for i, end := range p.ends {
		values[i] = p.data[start:end:end]
		start = end
	}
	return values
}

// array adds an array of one dimension. Each element appends its length, or -1
// for null, and its value.
func array[T any](p *params, oid uint32, elements []T, element func([]byte, T) []byte) {
	be, dimensions := binary.BigEndian, uint32(1)
	if len(elements) == 0 {
		dimensions = 0
	}
	p.data = be.AppendUint32(p.data, dimensions)
	p.data = be.AppendUint32(p.data, 1) // there may be nulls
	p.data = be.AppendUint32(p.data, oid)
	if dimensions > 0 {
		p.data = be.AppendUint32(p.data, uint32(len(elements)))
		p.data = be.AppendUint32(p.data, 1) // the lower bound
	}
	for _, e := range elements {
		p.data = element(p.data, e)
	}
	p.end()
}

func appendSize(dst []byte, n int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) }

func appendInt4(dst []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(appendSize(dst, 4), uint32(v))
}

func appendInt8(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(appendSize(dst, 8), uint64(v))
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(appendSize(dst, 1), 1)
	}
	return append(appendSize(dst, 1), 0)
}

func appendUUID(dst []byte, v [16]byte) []byte { return append(appendSize(dst, len(v)), v[:]...) }

func appendText[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(appendSize(dst, len(v)), v...)
}

func appendBytea(dst, v []byte) []byte {
	if v == nil {
		return appendSize(dst, -1)
	}
	return appendText(dst, v)
}

func appendNullable(dst []byte, v *string) []byte {
	if v == nil {
		return appendSize(dst, -1)
	}
	return appendText(dst, *v)
}

func binaryFormats(n int) []int16 {
	formats := make([]int16, n)
	for i := range formats {
		formats[i] = pgtype.BinaryFormatCode
	}
	return formats
}

var errWire = errors.New("the server's answer is not what was asked for")

// resultReader takes arrays off a row. The first that is not one sets err.
type resultReader struct {
	row [][]byte
	err error
}

// elements yields the elements, which are size bytes each and never null, of the
// next array; n is how many there will be.
func (r *resultReader) elements(size int) (n int, element func(i int) []byte) {
	const header = 20
	if r.err != nil || len(r.row) == 0 {
		r.err = errWire
		return 0, nil
	}
	data := r.row[0]
	r.row = r.row[1:]
	if len(data) >= 12 && binary.BigEndian.Uint32(data) == 0 {
		return 0, nil
	}
	if len(data) < header {
		r.err = errWire
		return 0, nil
	}
	n = int(binary.BigEndian.Uint32(data[12:]))
	if binary.BigEndian.Uint32(data) != 1 || len(data) != header+n*(4+size) {
		r.err = errWire
		return 0, nil
	}
	return n, func(i int) []byte { return data[header+i*(4+size)+4:] }
}

func (r *resultReader) int32s() []int32 {
	n, at := r.elements(4)
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(binary.BigEndian.Uint32(at(i)))
	}
	return list
}

func (r *resultReader) int64s() []int64 {
	n, at := r.elements(8)
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(binary.BigEndian.Uint64(at(i)))
	}
	return list
}

// sqlEpoch is where PostgreSQL counts microseconds from.
var sqlEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (r *resultReader) times() []time.Time {
	micros := r.int64s()
	list := make([]time.Time, len(micros))
	for i, n := range micros {
		list[i] = sqlEpoch.Add(time.Duration(n) * time.Microsecond)
	}
	return list
}
