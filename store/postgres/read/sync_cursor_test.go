package read

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
)

func FuzzSyncCursor(f *testing.F) {
	s := pg.Snapshot{Xmin: 5, Xmax: 9, Xip: []uint64{5, 7}}
	done := syncCursor{user: "u", epoch: "e", since: &s}
	half := syncCursor{user: "u", epoch: "e", since: &s, phase: phaseChanged, start: s, begin: s, within: pg.LatestActivity()}
	f.Add(done.String())
	f.Add(half.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseSyncCursor(text, "u")
		if err != nil {
			require.ErrorIs(t, err, domain.ErrCursorInvalid)
			return
		}
		if text == "" {
			return
		}
		again, err := parseSyncCursor(c.String(), "u")
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

// Clients keep cursors for as long as they like: those of version 0, which have no list of
// shards, are still read.
func TestSyncCursorOfVersion0(t *testing.T) {
	t.Parallel()
	s := pg.Snapshot{Xmin: 5, Xmax: 9, Xip: []uint64{5, 7}}
	key := pg.ActivityKey{At: time.UnixMicro(7), ID: domain.ConversationID{1}}
	for text, want := range map[string]syncCursor{
		"cwF1AWUAAQUEAgAC": {user: "u", epoch: "e", since: &s},
		"cwF1AWUCAQUEAgACBQQCAAIFBAIAAgcBAAAAAAAAAAAAAAAAAAAA": {
			user: "u", epoch: "e", since: &s, phase: phaseChanged, start: s, begin: s, within: key,
		},
	} {
		c, err := parseSyncCursor(text, "u")
		require.NoError(t, err)
		require.Equal(t, &want, c)
		require.NotEqual(t, text, c.String())
	}
}

// A page of an earlier version lists in another order: the sync goes on in the present one.
func TestSyncCursorOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	s := pg.Snapshot{Xmin: 5, Xmax: 9}
	key := pg.ActivityKey{At: time.UnixMicro(7), ID: domain.ConversationID{1}}
	earlier := syncCursor{user: "u", epoch: "e", phase: phaseLastEvent, start: s, begin: s, within: key}
	c, err := parseSyncCursor(earlier.String(), "u")
	require.NoError(t, err)
	want := earlier
	want.phase = phaseActivity
	require.Equal(t, &want, c)
	earlier.phase = phaseActivity + 1
	_, err = parseSyncCursor(earlier.String(), "u")
	require.ErrorIs(t, err, domain.ErrCursorInvalid)
}
