package client

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
)

func events(from, to int64) (out []Event) {
	for seq := from; seq <= to; seq++ {
		out = append(out, Event{Seq: seq})
	}
	return out
}

func seqs(events []Event) (out []int64) {
	for _, e := range events {
		out = append(out, e.Seq)
	}
	return out
}

func TestStream(t *testing.T) {
	t.Run("a repeated push is dropped", func(t *testing.T) {
		s := stream{accepted: 3}
		require.Empty(t, s.push(Event{Seq: 3}, true))
		require.Equal(t, []int64{4}, seqs(s.push(Event{Seq: 4}, true)))
		require.Empty(t, s.push(Event{Seq: 4}, true))
		require.False(t, s.isBehind())
	})
	t.Run("pushes during a pull follow its page", func(t *testing.T) {
		s := stream{accepted: 1, pulling: true}
		require.Empty(t, s.push(Event{Seq: 5}, true))
		require.Empty(t, s.push(Event{Seq: 6}, true))
		require.Equal(t, []int64{2, 3, 4, 5, 6}, seqs(s.page(&domain.EventPage{Events: events(2, 5), HeadSeq: 5})))
		require.False(t, s.isBehind())
		require.Empty(t, s.ahead)
	})
	t.Run("a push without room is left to a pull", func(t *testing.T) {
		s := stream{}
		require.Empty(t, s.push(Event{Seq: 1}, false))
		require.True(t, s.isBehind())
	})
	t.Run("a page begins at the floor", func(t *testing.T) {
		s := stream{accepted: 2, head: 9}
		page := s.page(&domain.EventPage{Events: events(7, 9), HeadSeq: 9, FloorSeq: 7})
		require.Equal(t, []int64{7, 8, 9}, seqs(page))
	})
	t.Run("a page with a hole is ignored", func(t *testing.T) {
		s := stream{accepted: 2, head: 9}
		require.Empty(t, s.page(&domain.EventPage{Events: events(7, 9), HeadSeq: 9, FloorSeq: 1}))
		require.True(t, s.isBehind())
	})
	t.Run("an empty page ends an announcement", func(t *testing.T) {
		s := stream{accepted: 2, head: 9}
		require.Empty(t, s.page(&domain.EventPage{HeadSeq: 2}))
		require.False(t, s.isBehind())
	})
}

// Pushes with holes and repetitions and pages of any size result in 1…n.
func TestStreamProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var s stream
		var out []int64
		log := int64(0)
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			switch rapid.IntRange(0, 3).Draw(r, "step") {
			case 0, 1:
				log++
				if rapid.IntRange(0, 3).Draw(r, "pushed") > 0 {
					out = append(out, seqs(s.push(Event{Seq: log}, rapid.IntRange(0, 5).Draw(r, "room") > 0))...)
				}
			case 2:
				s.pulling = s.isBehind()
			case 3:
				if s.pulling {
					to := min(s.accepted+rapid.Int64Range(1, 9).Draw(r, "page"), log)
					out = append(out, seqs(s.page(&domain.EventPage{Events: events(s.accepted+1, to), HeadSeq: log}))...)
					s.pulling = false
				}
			}
			require.LessOrEqual(r, len(s.ahead), maxAhead)
		}
		s.head = log // a gap, or the next sync
		for s.isBehind() {
			out = append(out, seqs(s.page(&domain.EventPage{Events: events(s.accepted+1, log), HeadSeq: log}))...)
		}
		require.Equal(r, seqs(events(1, log)), out)
		require.True(r, slices.IsSorted(out))
	})
}
