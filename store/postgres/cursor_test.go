package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
)

func snapshots() *rapid.Generator[snapshot] {
	return rapid.Custom(func(t *rapid.T) snapshot {
		s := snapshot{xmin: rapid.Uint64Range(3, 1<<32-10_000).Draw(t, "xmin")}
		s.xmax = s.xmin + rapid.Uint64Range(0, 5000).Draw(t, "in progress")
		if s.xmax > s.xmin {
			s.xip = rapid.SliceOfNDistinct(rapid.Uint64Range(s.xmin, s.xmax-1), 0, min(maxInProgress, int(s.xmax-s.xmin)), rapid.ID[uint64]).Draw(t, "xip")
			slices.Sort(s.xip)
		}
		if len(s.xip) == 0 {
			s.xip = nil
		}
		return s
	})
}

func TestSnapshotsKeepTheirForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots().Draw(t, "snapshot")
		parsed, err := parseSnapshot(s.String())
		require.NoError(t, err)
		require.Equal(t, s, parsed)
		w := newCursor(cursorOfFeed)
		w.snapshot(s)
		r := readCursor(cursorOfFeed, w.String())
		require.Equal(t, s, r.snapshot())
		require.NoError(t, r.err())
	})
}

func TestSnapshotOfTooManyIsOneOfItsXmin(t *testing.T) {
	t.Parallel()
	s := snapshot{xmin: 10, xmax: 10 + 2*maxInProgress}
	for xid := s.xmin; xid <= s.xmin+maxInProgress; xid++ {
		s.xip = append(s.xip, xid)
	}
	parsed, err := parseSnapshot(s.String())
	require.NoError(t, err)
	require.Equal(t, snapshot{xmin: 10, xmax: 10}, parsed)
}

func FuzzSyncCursor(f *testing.F) {
	s := snapshot{xmin: 5, xmax: 9, xip: []uint64{5, 7}}
	done := syncCursor{user: "u", epoch: "e", since: &s}
	half := syncCursor{user: "u", epoch: "e", since: &s, phase: phaseChanged, start: s, begin: s, within: latestActivity()}
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

// FuzzCursorReader: of any bytes, fields are read that PostgreSQL can hold, or
// the cursor is invalid.
func FuzzCursorReader(f *testing.F) {
	for _, of := range "scmfbrep" {
		w := newCursor(byte(of))
		w.text("x")
		w.number(7)
		w.key(latestActivity())
		f.Add(byte(of), w.String())
	}
	f.Add(byte('m'), "bQEA")
	f.Add(byte('c'), "Y4CAgICAgICAgAEAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, of byte, cursor string) {
		r := readCursor(of, cursor)
		text, key := r.text(), readCursor(of, cursor).key()
		require.True(t, utf8.ValidString(text) && !strings.ContainsRune(text, 0), "%q", text)
		require.False(t, key.at.Before(time.Time{}) || key.at.After(latestActivity().at), "%v", key.at)
		n := readCursor(of, cursor)
		n.number()
		n.snapshot()
		if err := n.err(); err != nil {
			require.ErrorIs(t, err, domain.ErrCursorInvalid)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	state := func(i byte, members int) *domain.Conversation {
		m := map[domain.UserID]domain.MemberState{}
		for k := range members {
			m[domain.UserID(rune('a'+k))] = domain.MemberState{}
		}
		return domain.NewConversationState(domain.ConversationID{i}, domain.Group, nil, nil, domain.Settings{}, nil, 1, 1, m)
	}
	size := state(0, 4).Size()
	c := newCache(3 * size)
	for i := range byte(3) {
		c.put(state(i, 4))
	}
	require.NotNil(t, c.get(domain.ConversationID{0}))
	c.put(state(3, 4))
	require.Nil(t, c.get(domain.ConversationID{1}), "the one used the longest ago went")
	require.NotNil(t, c.get(domain.ConversationID{0}))
	require.LessOrEqual(t, c.size, c.limit)
	c.put(state(4, 20))
	require.LessOrEqual(t, c.size, c.limit)
	c.put(state(5, 200))
	require.Nil(t, c.get(domain.ConversationID{5}), "too large to keep")
	c.clear()
	require.Zero(t, c.size)
	require.Nil(t, c.get(domain.ConversationID{0}))
}
