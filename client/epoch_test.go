package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/imtest"
)

// restoredServer returns a server, a conversation of ten events, and a function that
// brings its log back with five of them.
func restoredServer(t *testing.T) (s *imtest.Server, id ConversationID, restore func()) {
	s = imtest.NewServer(t)
	id = s.NewConversation("alice", "bob")
	for i := range 9 {
		s.Post(id, "bob", fmt.Sprint(i))
	}
	return s, id, func() {
		s.Restore("e2", map[ConversationID]int64{id: 5})
		s.HangUp(4004)
	}
}

func TestNewEpoch(t *testing.T) {
	s, id, restore := restoredServer(t)
	store := NewFileStore(filepath.Join(t.TempDir(), "positions.json"))
	c := start(t, "alice", Options{History: Everything, Store: store}, s.URL)
	c.waitFor(t, id, 1, 10)
	restore()
	c.waitFor(t, id, 1, 5)
	c.waitReset(t, "e2")
	c.mustSend(t, Post{ConversationID: id, Content: Text("after")})
	c.waitFor(t, id, 1, 6)

	c.close()
	stored, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, Positions{Epoch: "e2", Seqs: map[ConversationID]int64{id: 6}}, stored)
}

// TestNewEpochIgnoresAcknowledgements: the server still knows acknowledgements of the
// former epoch, from the backup or from a frame that crossed the close. The events up to
// there come again, as on a new device.
func TestNewEpochIgnoresAcknowledgements(t *testing.T) {
	for history, first := range map[int]int64{Everything: 1, 20: 1, 2: 4} {
		s, id, restore := restoredServer(t)
		c := start(t, "alice", Options{History: history}, s.URL)
		c.waitOnline(t)
		s.Post(id, "bob", "10")
		eventually.True(t, "everything acknowledged", func() bool { return s.Acked("alice", id) == 11 })
		restore()
		require.EqualValues(t, 5, s.Acked("alice", id))
		c.waitReset(t, "e2")
		c.waitFor(t, id, first, 5)
		c.close()
	}
}

// TestResetIsRepeatedAfterACrash: a client that ends before its first sync of a new
// epoch is complete has stored nothing of the epoch, and the next one is reset again.
func TestResetIsRepeatedAfterACrash(t *testing.T) {
	s, id, restore := restoredServer(t)
	path := filepath.Join(t.TempDir(), "positions.json")
	options := func() Options {
		return Options{Device: "d", History: Everything, Store: NewFileStore(path)}
	}
	c := start(t, "alice", options(), s.URL)
	c.waitFor(t, id, 1, 10)
	eventually.True(t, "everything acknowledged", func() bool { return s.Acked("alice", id) == 10 })

	var syncs atomic.Int64
	s.Set(func(b *imtest.Behavior) {
		b.Frame = func(_ *imtest.Conn, f *imtest.Frame) bool {
			if f.Type == "sync" {
				syncs.Add(1)
			}
			return f.Type == "sync" // is never answered
		}
	})
	restore()
	eventually.True(t, "a sync", func() bool { return syncs.Load() > 0 })
	s.Post(id, "bob", "during the sync")
	c.close()
	require.Empty(t, c.resets)
	stored, err := NewFileStore(path).Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, Positions{Epoch: "e1", Seqs: map[ConversationID]int64{id: 10}}, stored)

	s.Set(func(b *imtest.Behavior) { b.Frame = nil })
	c = start(t, "alice", options(), s.URL)
	c.waitReset(t, "e2")
	c.waitFor(t, id, 1, 6)
}

// TestFirstSaveOfAnEpochHasEveryConversation: after a crash at the first event of a new
// epoch, no conversation starts from an acknowledgement of the former one.
func TestFirstSaveOfAnEpochHasEveryConversation(t *testing.T) {
	s, id, restore := restoredServer(t)
	other := s.NewConversation("alice", "carol")
	path := filepath.Join(t.TempDir(), "positions.json")
	failure := errors.New("disk full")
	var isFull atomic.Bool
	options := func() Options {
		return Options{
			Device: "d", History: Everything, Store: NewFileStore(path),
			OnEvent: func(context.Context, *Client, Event) error {
				if isFull.Load() {
					return failure
				}
				return nil
			},
		}
	}
	c := start(t, "alice", options(), s.URL)
	c.waitFor(t, id, 1, 10)
	c.waitFor(t, other, 1, 1)
	eventually.True(t, "everything acknowledged", func() bool {
		return s.Acked("alice", id) == 10 && s.Acked("alice", other) == 1
	})
	isFull.Store(true)
	restore()
	<-c.done
	require.ErrorIs(t, c.err, failure)
	c.waitReset(t, "e2")

	isFull.Store(false)
	c = start(t, "alice", options(), s.URL)
	c.waitFor(t, id, 1, 5)
	c.waitFor(t, other, 1, 1)
	require.Empty(t, c.resets, "it was saved")
}

// TestNewEpochDeliversUnacknowledgedEvents: an event that was committed between the
// last push of the former epoch and the first sync of the new one is delivered, also to
// a client that asks for no history.
func TestNewEpochDeliversUnacknowledgedEvents(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	c := start(t, "alice", Options{}, s.URL)
	c.waitOnline(t)
	s.Post(id, "bob", "before")
	eventually.True(t, "everything acknowledged", func() bool { return s.Acked("alice", id) == 2 })
	s.Set(refuseUpgrades(http.StatusServiceUnavailable))
	s.Restore("e2", nil) // a failover without loss
	s.HangUp(4004)
	s.Post(id, "bob", "between")
	s.Set(refuseUpgrades(0))
	c.waitReset(t, "e2")
	c.waitFor(t, id, 3, 3)
}
