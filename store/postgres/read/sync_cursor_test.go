package read

import (
	"testing"

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
