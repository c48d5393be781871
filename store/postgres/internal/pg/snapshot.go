package pg

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Snapshot says which transactions a reader has seen: those below Xmin, and those below
// Xmax that are not in Xip. A position that holds the whole snapshot shows a later reader
// exactly what has committed since, in whatever order. A long transaction elsewhere costs
// nothing.
type Snapshot struct {
	Xmin, Xmax uint64
	Xip        []uint64 // ascending
}

// maxInProgress bounds the size of a position. A snapshot with more transactions in
// progress is cut to its Xmin: the next read then repeats commits, but misses none.
const maxInProgress = 250

var errSnapshot = errors.New("not a snapshot")

// ParseSnapshot reads the text form of pg_snapshot, xmin:xmax:xip,xip.
func ParseSnapshot(text string) (Snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return Snapshot{}, errSnapshot
	}
	var s Snapshot
	var errs [2]error
	s.Xmin, errs[0] = strconv.ParseUint(parts[0], 10, 64)
	s.Xmax, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return Snapshot{}, err
	}
	if parts[2] != "" {
		for one := range strings.SplitSeq(parts[2], ",") {
			xid, err := strconv.ParseUint(one, 10, 64)
			if err != nil {
				return Snapshot{}, err
			}
			s.Xip = append(s.Xip, xid)
		}
	}
	slices.Sort(s.Xip)
	if len(s.Xip) > maxInProgress {
		s = Snapshot{Xmin: s.Xmin, Xmax: s.Xmin}
	}
	return s, s.check()
}

func (s Snapshot) check() error {
	if s.Xmin > s.Xmax || s.Xmax > 1<<62 || len(s.Xip) > maxInProgress {
		return errSnapshot
	}
	if uint32(s.Xmin) == 0 || uint32(s.Xmax) == 0 { // the server knows no such transaction
		return errSnapshot
	}
	for i, xid := range s.Xip {
		if xid < s.Xmin || xid >= s.Xmax || i > 0 && xid <= s.Xip[i-1] {
			return errSnapshot
		}
	}
	return nil
}

// Covers reports whether s shows every transaction as ended that earlier shows so.
func (s Snapshot) Covers(earlier Snapshot) bool {
	if s.Xmax < earlier.Xmax {
		return false
	}
	for _, xid := range s.Xip {
		if _, running := slices.BinarySearch(earlier.Xip, xid); xid < earlier.Xmax && !running {
			return false
		}
	}
	return true
}

// String returns the text form of pg_snapshot.
func (s Snapshot) String() string {
	text := make([]byte, 0, 64)
	text = append(strconv.AppendUint(text, s.Xmin, 10), ':')
	text = append(strconv.AppendUint(text, s.Xmax, 10), ':')
	for i, xid := range s.Xip {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, xid, 10)
	}
	return string(text)
}

// appendTo appends a compact form: differences as varints.
func (s Snapshot) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, s.Xmin)
	dst = binary.AppendUvarint(dst, s.Xmax-s.Xmin)
	dst = binary.AppendUvarint(dst, uint64(len(s.Xip)))
	last := s.Xmin
	for _, xid := range s.Xip {
		dst = binary.AppendUvarint(dst, xid-last)
		last = xid
	}
	return dst
}
