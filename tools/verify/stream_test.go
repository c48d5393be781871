package verify

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// step is one thing that a session gets of a conversation.
type step struct {
	event, gap, sync int64
	conversation     bool
	joins, leaves    bool
}

func TestStream(t *testing.T) {
	t.Parallel()
	push := func(seqs ...int64) (steps []step) {
		for _, seq := range seqs {
			steps = append(steps, step{event: seq})
		}
		return steps
	}
	then := func(lists ...[]step) (steps []step) {
		for _, l := range lists {
			steps = append(steps, l...)
		}
		return steps
	}
	for name, c := range map[string]struct {
		steps []step
		want  []string
	}{
		"ascending":                         {push(7, 8, 9), nil},
		"a hole":                            {push(7, 9, 10), []string{"I4"}},
		"twice":                             {push(7, 7, 8), []string{"I4"}},
		"swapped":                           {push(7, 9, 8, 10), []string{"I4", "I4"}},
		"a gap, and on from there":          {then(push(7, 8), []step{{gap: 20}}, push(21, 22)), nil},
		"a gap in parts":                    {then(push(7), []step{{gap: 9}, {gap: 20}}, push(21)), nil},
		"a gap, and not on from there":      {then(push(7, 8), []step{{gap: 20}}, push(22)), []string{"I4"}},
		"what the gap left out":             {then(push(7, 8), []step{{gap: 20}}, push(20)), []string{"I4"}},
		"a gap backwards":                   {then(push(7, 8), []step{{gap: 6}}, push(9)), []string{"I4"}},
		"a gap at first":                    {then([]step{{gap: 20}}, push(21)), nil},
		"on from the sync":                  {then([]step{{sync: 6}}, push(7)), nil},
		"overlapping the sync":              {then([]step{{sync: 9}}, push(7, 8, 9, 10)), nil},
		"the sync comes late":               {then(push(7, 8), []step{{sync: 7}}, push(9)), nil},
		"a hole after the sync":             {then([]step{{sync: 6}}, push(8)), []string{"I4"}},
		"a hole, the sync comes late":       {then(push(8), []step{{sync: 6}}, push(9)), []string{"I4"}},
		"introduced":                        {[]step{{conversation: true}, {event: 5, joins: true}, {event: 6}}, nil},
		"not introduced":                    {[]step{{event: 5, joins: true}}, []string{"I6"}},
		"after the removal":                 {[]step{{event: 5}, {event: 6, leaves: true}, {event: 7}}, []string{"I8"}},
		"after the removal, and introduced": {[]step{{event: 5}, {event: 6, leaves: true}, {conversation: true}, {event: 9, joins: true}}, nil},
		"joined again, the gap had the removal": {
			[]step{{event: 5}, {gap: 8}, {conversation: true}, {event: 11, joins: true}, {event: 12}}, nil,
		},
		"joined again, introduced before the gap": {
			[]step{{event: 5}, {conversation: true}, {gap: 8}, {event: 11, joins: true}}, nil,
		},
		"joined again, the gap had all of it": {
			[]step{{event: 5}, {event: 6, leaves: true}, {gap: 20}, {event: 21}}, nil,
		},
		"joined again after a gap, not introduced": {
			[]step{{conversation: true}, {event: 5}, {gap: 8}, {event: 11, joins: true}}, []string{"I6"},
		},
		"joined again, not introduced": {[]step{{event: 6, leaves: true}, {event: 9, joins: true}}, []string{"I8", "I6"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := newStream("u"), []string(nil)
			for _, x := range c.steps {
				var found []violation
				switch {
				case x.event > 0:
					found = s.event("c", x.event, posted, x.joins, x.leaves)
				case x.gap > 0:
					found = s.addGap("c", x.gap)
				case x.conversation:
					s.introduce("c")
				default:
					found = s.synced("c", x.sync)
				}
				for _, w := range found {
					got = append(got, w.invariant)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

// TestIntervals checks, for random orders of seqs, what is held and what is missing.
func TestIntervals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s intervals
		held := map[int64]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "additions") {
			from := rapid.Int64Range(1, 40).Draw(t, "from")
			to := from + rapid.Int64Range(0, 5).Draw(t, "length")
			s.add(from, to)
			for seq := from; seq <= to; seq++ {
				held[seq] = true
			}
		}
		for i := 1; i < len(s); i++ {
			if s[i].from <= s[i-1].to+1 {
				t.Fatalf("not apart: %v", s)
			}
		}
		from := rapid.Int64Range(1, 45).Draw(t, "first")
		to := from + rapid.Int64Range(0, 20).Draw(t, "last")
		first := from
		for first <= to && held[first] {
			first++
		}
		x, lacks := s.hole(from, to)
		if lacks != (first <= to) || lacks && x.from != first {
			t.Fatalf("hole(%d, %d) of %v is %v, %v", from, to, s, x, lacks)
		}
		for seq := x.from; lacks && seq <= x.to; seq++ {
			if held[seq] {
				t.Fatalf("%d is no hole", seq)
			}
		}
	})
}
