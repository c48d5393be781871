package postgres

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// snapshot is which transactions a reader has seen: those below xmin, and those
// below xmax that are not in xip. Kept whole, it tells a later reader exactly
// what committed since, in whatever order, and a long transaction elsewhere
// costs nothing.
type snapshot struct {
	xmin, xmax uint64
	xip        []uint64 // ascending
}

// maxInProgress bounds what a position keeps. A snapshot of more transactions
// becomes one of its xmin: what a reader sees then overlaps, and lacks nothing.
const maxInProgress = 250

var errSnapshot = errors.New("not a snapshot")

// parseSnapshot reads the text form of pg_snapshot, xmin:xmax:xip,xip.
func parseSnapshot(text string) (snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return snapshot{}, errSnapshot
	}
	var s snapshot
	var errs [2]error
	s.xmin, errs[0] = strconv.ParseUint(parts[0], 10, 64)
	s.xmax, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return snapshot{}, err
	}
	if parts[2] != "" {
		for one := range strings.SplitSeq(parts[2], ",") {
			xid, err := strconv.ParseUint(one, 10, 64)
			if err != nil {
				return snapshot{}, err
			}
			s.xip = append(s.xip, xid)
		}
	}
	slices.Sort(s.xip)
	if len(s.xip) > maxInProgress {
		s = snapshot{xmin: s.xmin, xmax: s.xmin}
	}
	return s, s.check()
}

func (s snapshot) check() error {
	if s.xmin > s.xmax || s.xmax > 1<<62 || len(s.xip) > maxInProgress {
		return errSnapshot
	}
	if uint32(s.xmin) == 0 || uint32(s.xmax) == 0 { // the server knows no such transaction
		return errSnapshot
	}
	for i, xid := range s.xip {
		if xid < s.xmin || xid >= s.xmax || i > 0 && xid <= s.xip[i-1] {
			return errSnapshot
		}
	}
	return nil
}

// String returns the text form of pg_snapshot.
func (s snapshot) String() string {
	text := make([]byte, 0, 64)
	text = append(strconv.AppendUint(text, s.xmin, 10), ':')
	text = append(strconv.AppendUint(text, s.xmax, 10), ':')
	for i, xid := range s.xip {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, xid, 10)
	}
	return string(text)
}

// appendTo appends a compact form: differences as varints.
func (s snapshot) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, s.xmin)
	dst = binary.AppendUvarint(dst, s.xmax-s.xmin)
	dst = binary.AppendUvarint(dst, uint64(len(s.xip)))
	last := s.xmin
	for _, xid := range s.xip {
		dst = binary.AppendUvarint(dst, xid-last)
		last = xid
	}
	return dst
}
