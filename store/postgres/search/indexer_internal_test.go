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

// Appends come first, and the less so the later the index is, until it is too late.
func TestEffort(t *testing.T) {
	for behind, want := range map[time.Duration]effort{
		500 * time.Millisecond:  {1, 64, 8},
		1200 * time.Millisecond: {1, 128, 2},
		1800 * time.Millisecond: {2, 256, 2},
		5 * time.Second:         {1, 256, 4},
		time.Minute:             {1, 256, 2},
	} {
		require.Equal(t, want, effortFor(true, behind))
		require.Equal(t, effort{1, 512, 2}, effortFor(false, behind))
	}
	require.Equal(t, 40*time.Millisecond, effort{pauses: 8}.pauseAfter(10*time.Millisecond))
	require.Equal(t, 5*time.Millisecond, effort{pauses: 1}.pauseAfter(10*time.Millisecond))
	require.Equal(t, longestPause, effort{pauses: 8}.pauseAfter(time.Second))
}

// While the node appends, the index takes small parts, unless it is built by hand.
func TestSmallPartsWhileAppending(t *testing.T) {
	appending := false
	x := &indexer{index: &Index{appending: func() bool { return appending }}, yields: true}
	require.Equal(t, quietChunk, x.effort().chunk)
	appending = true
	x.indexedUntil = time.Now()
	require.Equal(t, appendingChunk, x.effort().chunk)
	x.yields = false
	require.Equal(t, quietChunk, x.effort().chunk)
}
