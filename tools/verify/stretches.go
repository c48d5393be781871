package verify

import "slices"

// stretches are the seqs that a store holds: ascending, apart from one another.
type stretches []stretch

type stretch struct{ from, to int64 }

// add adds the seqs from to to.
func (s *stretches) add(from, to int64) {
	list := *s
	at, _ := slices.BinarySearchFunc(list, from, func(x stretch, from int64) int {
		if x.to+1 < from {
			return -1
		}
		return 1
	})
	end := at
	for end < len(list) && list[end].from <= to+1 {
		from, to = min(from, list[end].from), max(to, list[end].to)
		end++
	}
	*s = slices.Replace(list, at, end, stretch{from, to})
}

// position is the end of what is held from the first one on without a hole.
func (s stretches) position() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[0].to
}

// hole returns the first seqs between from and to that are missing.
func (s stretches) hole(from, to int64) (stretch, bool) {
	for _, x := range s {
		if x.to < from {
			continue
		}
		if x.from > from {
			return stretch{from, min(to, x.from-1)}, from <= to
		}
		from = x.to + 1
	}
	return stretch{from, to}, from <= to
}
