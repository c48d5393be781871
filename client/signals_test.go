package client

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/imtest"
)

// hasSignal reports whether OnSignal received such a signal.
func (c *testClient) hasSignal(wanted func(Signal) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.signals {
		if wanted(s) {
			return true
		}
	}
	return false
}

func TestSignals(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	c := start(t, "alice", Options{}, s.URL)
	c.waitOnline(t)
	s.Send("alice", map[string]any{"type": "receipt", "conversation_id": id, "user_id": "bob", "read_seq": 1})
	s.Send("alice", map[string]any{"type": "notice", "notice_id": "n1", "biz_type": "order", "data": map[string]int{"id": 7}})
	s.Send("alice", map[string]any{"type": "presence", "user_id": "bob", "online": nil})
	eventually.True(t, "receipt", func() bool {
		return c.hasSignal(func(s Signal) bool { return s == Receipt{ConversationID: id, UserID: "bob", ReadSeq: 1} })
	})
	eventually.True(t, "notice", func() bool {
		return c.hasSignal(func(s Signal) bool {
			n, ok := s.(Notice)
			return ok && n.NoticeID == "n1" && n.BizType == "order" && string(n.Data) == `{"id":7}`
		})
	})
	eventually.True(t, "unknown presence", func() bool {
		return c.hasSignal(func(s Signal) bool { return s == Presence{UserID: "bob"} })
	})
}

func TestWatchOutlastsAConnection(t *testing.T) {
	s := imtest.NewServer(t)
	var watches atomic.Int64
	s.Set(func(b *imtest.Behavior) {
		b.Frame = func(_ *imtest.Conn, f *imtest.Frame) bool {
			if f.Type == "watch" && len(f.UserIDs) == 2 {
				watches.Add(1)
			}
			return false
		}
	})
	c := start(t, "alice", Options{}, s.URL)
	require.NoError(t, c.Watch(t.Context(), "bob", "carol")) // with or without a connection
	eventually.True(t, "a watch", func() bool { return watches.Load() >= 1 })
	c.waitOnline(t)
	before := watches.Load()
	s.HangUp(1012)
	eventually.True(t, "another watch", func() bool { return watches.Load() > before })
	require.ErrorIs(t, c.Watch(t.Context(), make([]UserID, c.Limits().WatchUsers+1)...), ErrInvalid)
	c.close()
	require.ErrorIs(t, c.Watch(t.Context(), "bob"), ErrClosed)
	require.ErrorIs(t, c.SetTyping(t.Context(), ConversationID{}, true), ErrClosed)
}

func TestOldestSignalsAreDropped(t *testing.T) {
	var b inbox
	for seq := range int64(MaxSignals + 2) {
		b.addSignal(Receipt{ReadSeq: seq})
	}
	signals := b.takeNotices().signals
	require.Len(t, signals, MaxSignals)
	require.Equal(t, Receipt{ReadSeq: 2}, signals[0])
	require.False(t, b.hasNotices())
}

// TestJoinWaitsForTheUser: before the first connection the client does not know who its
// user is.
func TestJoinWaitsForTheUser(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("bob", "carol", "dave")
	c, err := New(Options{URLs: []string{s.URL}, Token: Token("bob")})
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Leave(short, id), context.DeadlineExceeded)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	require.NoError(t, c.Leave(t.Context(), id))
	require.NotContains(t, s.Members(id), UserID("bob"))
	stop()
	require.NoError(t, <-ended)
}

func TestSyncedOfAClosedClient(t *testing.T) {
	s := imtest.NewServer(t)
	s.Set(refuseUpgrades(401))
	c := start(t, "alice", Options{}, s.URL)
	<-c.done
	require.ErrorIs(t, c.Synced(t.Context()), ErrClosed)
	require.ErrorIs(t, c.Join(t.Context(), ConversationID{}), ErrClosed)
}
