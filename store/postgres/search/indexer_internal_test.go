package search

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// Chunks hold the heads of the feed in their order, and are bounded.
func TestTakePart(t *testing.T) {
	a, b := domain.ConversationID{1}, domain.ConversationID{2}
	rest := []domain.FeedHead{{ConversationID: a, First: 3, Head: 9}, {ConversationID: b, First: 1, Head: 1}, {ConversationID: a, First: 5, Head: 4}}
	var parts [][]domain.FeedHead
	for len(rest) > 0 {
		var part []domain.FeedHead
		part, rest = takeChunk(rest, 4)
		parts = append(parts, part)
	}
	require.Equal(t, [][]domain.FeedHead{
		{{ConversationID: a, First: 3, Head: 6}},
		{{ConversationID: a, First: 7, Head: 9}, {ConversationID: b, First: 1, Head: 1}},
		{{ConversationID: a, First: 5, Head: 4}},
	}, parts)
	part, rest := takeChunk(nil, 4)
	require.Empty(t, part)
	require.Empty(t, rest)
}

// Appends come first, and the less so the later the index is.
func TestRestAfter(t *testing.T) {
	for want, got := range map[time.Duration]time.Duration{
		40 * time.Millisecond: pauseAfter(10*time.Millisecond, true, time.Second),
		22 * time.Millisecond: pauseAfter(11*time.Millisecond, true, 3*time.Second),
		12 * time.Millisecond: pauseAfter(12*time.Millisecond, true, time.Minute),
		13 * time.Millisecond: pauseAfter(13*time.Millisecond, false, 0),
		longestPause:          pauseAfter(time.Second, true, 0),
	} {
		require.Equal(t, want, got)
	}
}

// While the node appends, the index takes small parts, unless it is built by hand.
func TestSmallPartsWhileAppending(t *testing.T) {
	appending := false
	x := &indexer{index: &Index{appending: func() bool { return appending }}, yields: true}
	require.Equal(t, quietChunk, x.chunkSeqs())
	appending = true
	require.Equal(t, appendingChunk, x.chunkSeqs())
	x.yields = false
	require.Equal(t, quietChunk, x.chunkSeqs())
}
