package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestTakePart: parts hold what the feed told of, in its order, and are not too large.
func TestTakePart(t *testing.T) {
	a, b := domain.ConversationID{1}, domain.ConversationID{2}
	rest := []domain.FeedHead{{ConversationID: a, First: 3, Head: 9}, {ConversationID: b, First: 1, Head: 1}, {ConversationID: a, First: 5, Head: 4}}
	var parts [][]domain.FeedHead
	for len(rest) > 0 {
		var part []domain.FeedHead
		part, rest = takePart(rest, 4)
		parts = append(parts, part)
	}
	require.Equal(t, [][]domain.FeedHead{
		{{ConversationID: a, First: 3, Head: 6}},
		{{ConversationID: a, First: 7, Head: 9}, {ConversationID: b, First: 1, Head: 1}},
		{{ConversationID: a, First: 5, Head: 4}},
	}, parts)
	part, rest := takePart(nil, 4)
	require.Empty(t, part)
	require.Empty(t, rest)
}

// Appends come first, and the less so the later the index is.
func TestRestAfter(t *testing.T) {
	for want, got := range map[time.Duration]time.Duration{
		40 * time.Millisecond: restAfter(10*time.Millisecond, true, time.Second),
		22 * time.Millisecond: restAfter(11*time.Millisecond, true, 3*time.Second),
		12 * time.Millisecond: restAfter(12*time.Millisecond, true, time.Minute),
		13 * time.Millisecond: restAfter(13*time.Millisecond, false, 0),
		longestRest:           restAfter(time.Second, true, 0),
	} {
		require.Equal(t, want, got)
	}
}

// A node appends while a committer is at work and for a moment longer; the index then
// takes small parts, unless it is built by hand.
func TestSmallPartsWhileAppending(t *testing.T) {
	q := newQueue(1<<20, 2)
	x := &indexer{store: &Store{queue: q}, polite: true}
	require.Equal(t, indexSeqs, x.seqs())
	putAll(t, q, waiting(1))
	require.Equal(t, indexSeqs, x.seqs())
	require.Len(t, q.take(1, nil, 9), 1)
	require.Equal(t, busySeqs, x.seqs())
	q.keep(1, nil, nil)
	require.Equal(t, busySeqs, x.seqs())
	x.polite = false
	require.Equal(t, indexSeqs, x.seqs())
	x.polite = true
	q.rested = q.rested.Add(-busyFor)
	require.Equal(t, indexSeqs, x.seqs())
}

// How far behind the index is, is told by its position, whoever stored it.
func TestSpan(t *testing.T) {
	at := func(seconds uint64) domain.FeedPosition {
		w := newCursor(cursorOfFeed)
		w.text("epoch")
		w.snapshot(snapshot{xmin: 1, xmax: 1})
		w.number(seconds)
		return domain.FeedPosition(w.String())
	}
	require.Equal(t, time.Minute, span(at(1000), at(1060)))
}
