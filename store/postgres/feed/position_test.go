package feed

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// Positions are stored, and clients keep cursors of the feed: those of version 0, which
// have no list of shards, are still read.
func TestPositionsOfVersion0(t *testing.T) {
	t.Parallel()
	snapshot := pg.Snapshot{Xmin: 5, Xmax: 9, Xip: []uint64{5, 7}}
	const old = domain.FeedPosition("ZgFlBQQCAAKA4s-qBg")
	for _, p := range []domain.FeedPosition{old, newPosition("e", snapshot, 1_700_000_000)} {
		epoch, s, at, err := parsePosition(p)
		require.NoError(t, err)
		require.Equal(t, "e", epoch)
		require.Equal(t, snapshot, s)
		require.EqualValues(t, 1_700_000_000, at)
	}

	c, err := parseEventCursor("dgFlElpnRmxCUVFDQUFLQTRzLXFCZxJaZ0ZsQlFRQ0FBS0E0cy1xQmcBTQEAAAAAAAAAAAAAAAAAAAAD")
	require.NoError(t, err)
	want := eventCursor{epoch: "e", from: old, to: old, walking: true, since: 77, lastID: domain.ConversationID{1}, lastSeq: 3}
	require.Equal(t, want, c)
	again, err := parseEventCursor(c.String())
	require.NoError(t, err)
	require.Equal(t, c, again)
}
