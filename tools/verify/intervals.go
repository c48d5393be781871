package verify

import "slices"

// intervals is a set of seqs as ascending, disjoint ranges.
type intervals []interval

type interval struct{ from, to int64 }

// add adds the seqs from from to to, both included.
func (s *intervals) add(from, to int64) {
	list := *s
	at, _ := slices.BinarySearchFunc(list, from, func(x interval, from int64) int {
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
	*s = slices.Replace(list, at, end, interval{from, to})
}

// position returns the last seq that is held without a hole from the first one
// on.
func (s intervals) position() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[0].to
}

// hole returns the first missing range between from and to.
func (s intervals) hole(from, to int64) (interval, bool) {
	for _, x := range s {
		if x.to < from {
			continue
		}
		if x.from > from {
			return interval{from, min(to, x.from-1)}, from <= to
		}
		from = x.to + 1
	}
	return interval{from, to}, from <= to
}
