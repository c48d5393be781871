package pg

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

func snapshotGen() *rapid.Generator[Snapshot] {
	return rapid.Custom(func(t *rapid.T) Snapshot {
		s := Snapshot{Xmin: rapid.Uint64Range(3, 1<<32-10_000).Draw(t, "xmin")}
		s.Xmax = s.Xmin + rapid.Uint64Range(0, 5000).Draw(t, "in progress")
		if s.Xmax > s.Xmin {
			s.Xip = rapid.SliceOfNDistinct(rapid.Uint64Range(s.Xmin, s.Xmax-1), 0, min(maxInProgress, int(s.Xmax-s.Xmin)), rapid.ID[uint64]).Draw(t, "xip")
			slices.Sort(s.Xip)
		}
		if len(s.Xip) == 0 {
			s.Xip = nil
		}
		return s
	})
}

func TestSnapshotForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := snapshotGen().Draw(t, "snapshot")
		parsed, err := ParseSnapshot(s.String())
		require.NoError(t, err)
		require.Equal(t, s, parsed)
		w := NewCursor(CursorFeed)
		w.Snapshot(s)
		r := ReadCursor(CursorFeed, w.String())
		require.Equal(t, s, r.Snapshot())
		require.NoError(t, r.Err())
	})
}

func TestLargeSnapshotIsCutToItsXmin(t *testing.T) {
	t.Parallel()
	s := Snapshot{Xmin: 10, Xmax: 10 + 2*maxInProgress}
	for xid := s.Xmin; xid <= s.Xmin+maxInProgress; xid++ {
		s.Xip = append(s.Xip, xid)
	}
	parsed, err := ParseSnapshot(s.String())
	require.NoError(t, err)
	require.Equal(t, Snapshot{Xmin: 10, Xmax: 10}, parsed)
}

// A cursor that names another shard than the only one, or several, is invalid: nothing of
// them can be left out.
func TestCursorOfOtherShards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version        byte
		shards, number uint64
		valid          bool
	}{
		"the only shard": {1, 1, 0, true},
		"no shard":       {1, 0, 0, false},
		"two shards":     {1, 2, 0, false},
		"another shard":  {1, 1, 1, false},
		"a later format": {2, 1, 0, false},
	} {
		w := NewCursor(CursorFeed)
		w.data[0] = c.version
		w.Number(c.shards)
		w.Number(c.number)
		w.Text("epoch")
		r := ReadCursor(CursorFeed, w.String())
		epoch := r.Shard()
		if !c.valid {
			require.ErrorIs(t, r.Err(), domain.ErrCursorInvalid, name)
			continue
		}
		require.NoError(t, r.Err(), name)
		require.Equal(t, "epoch", epoch, name)
	}
}

// FuzzCursorReader reads arbitrary bytes: either the cursor is invalid, or PostgreSQL can
// store every field.
func FuzzCursorReader(f *testing.F) {
	for _, of := range "scmfbrep" {
		w := NewCursor(byte(of))
		w.Text("x")
		w.Number(7)
		w.Key(LatestActivity())
		f.Add(byte(of), w.String())
		w.data = w.data[1:] // version 0
		f.Add(byte(of), w.String())
	}
	f.Add(byte('m'), "bQEA")
	f.Add(byte('c'), "Y4CAgICAgICAgAEAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, of byte, cursor string) {
		r := ReadCursor(of, cursor)
		text, key := r.Text(), ReadCursor(of, cursor).Key()
		require.True(t, utf8.ValidString(text) && !strings.ContainsRune(text, 0), "%q", text)
		require.False(t, key.At.Before(time.Time{}) || key.At.After(LatestActivity().At), "%v", key.At)
		n := ReadCursor(of, cursor)
		n.Number()
		n.Snapshot()
		if err := n.Err(); err != nil {
			require.ErrorIs(t, err, domain.ErrCursorInvalid)
		}
	})
}
