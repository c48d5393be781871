package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/imtest"
)

func TestSendAndReceive(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	alice := start(t, "alice", Options{}, s.URL)
	bob := start(t, "bob", Options{History: Everything}, s.URL)
	alice.waitOnline(t)
	bob.waitOnline(t)

	sent := alice.mustSend(t, Post{ConversationID: id, Content: Text("hello")})
	require.EqualValues(t, 2, sent.Seq)
	require.False(t, sent.Duplicate)
	alice.waitFor(t, id, 2, 2) // a new device without history begins with what is new
	bob.waitFor(t, id, 1, 2)
	require.Equal(t, []string{"hello"}, texts(bob.received(id)))

	again := alice.mustSend(t, Post{ConversationID: id, Content: Text("hello"), ClientMsgID: sent.ClientMsgID})
	require.True(t, again.Duplicate)
	require.Equal(t, sent.Seq, again.Seq)
}

func TestHistoryOfANewDevice(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	for i := range 99 {
		s.Post(id, "bob", fmt.Sprint(i))
	}
	s.Set(func(b *imtest.Behavior) { // without acknowledgements, each client is a new device
		b.Frame = func(_ *imtest.Conn, f *imtest.Frame) bool { return f.Type == "ack" }
	})
	for _, test := range []struct{ history, first int }{{10, 91}, {80, 21}, {Everything, 1}, {500, 1}} {
		c := start(t, "alice", Options{History: test.history}, s.URL)
		c.waitFor(t, id, int64(test.first), 100)
		c.close()
	}
}

func TestNewConversation(t *testing.T) {
	t.Run("while connected", func(t *testing.T) {
		s := imtest.NewServer(t)
		c := start(t, "alice", Options{}, s.URL)
		c.waitOnline(t)
		id := s.NewConversation("bob", "alice")
		s.Post(id, "bob", "first")
		c.waitFor(t, id, 1, 2)
		require.Len(t, c.Conversations(), 1)
	})
	t.Run("while away", func(t *testing.T) {
		s := imtest.NewServer(t)
		c := start(t, "alice", Options{}, s.URL)
		c.waitOnline(t)
		s.Set(refuseUpgrades(http.StatusServiceUnavailable))
		s.HangUp(1012)
		id := s.NewConversation("bob", "alice")
		s.Post(id, "bob", "first")
		s.Set(refuseUpgrades(0))
		c.waitFor(t, id, 1, 2)
	})
	t.Run("pushed before its state", func(t *testing.T) {
		s := imtest.NewServer(t)
		s.Set(func(b *imtest.Behavior) { b.HideNew = true })
		c := start(t, "alice", Options{}, s.URL)
		c.waitOnline(t)
		id := s.NewConversation("bob", "alice")
		s.Post(id, "bob", "first")
		c.waitFor(t, id, 1, 2)
	})
}

func TestRemovedAndAddedAgain(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("bob", "alice", "carol")
	c := start(t, "alice", Options{History: Everything}, s.URL)
	c.waitFor(t, id, 1, 1)
	s.RemoveMember(id, "alice")
	c.waitFor(t, id, 1, 2)
	eventually.True(t, "the conversation is not listed", func() bool { return len(c.Conversations()) == 0 })
	s.Post(id, "bob", "without alice")
	require.Empty(t, c.Conversations())

	s.AddMember(id, "alice")
	c.waitFor(t, id, 1, 4) // members may read all history, so the hole is filled; no event comes twice
}

func TestSendsSurviveFaults(t *testing.T) {
	commit := func(c *imtest.Conn, f *imtest.Frame) { _, _, _ = c.Commit(f) }
	faults := map[string]func(*imtest.Conn, *imtest.Frame){
		"no answer, then a cut": func(c *imtest.Conn, _ *imtest.Frame) { c.Close(0) },
		"committed, then a cut": func(c *imtest.Conn, f *imtest.Frame) {
			commit(c, f)
			c.Close(0)
		},
		"unavailable, not committed": func(c *imtest.Conn, f *imtest.Frame) {
			c.Refuse(f.ID, domain.CodeUnavailable, domain.RetryAgain)
		},
		"unavailable, yet committed": func(c *imtest.Conn, f *imtest.Frame) {
			commit(c, f)
			c.Refuse(f.ID, domain.CodeUnavailable, domain.RetryAgain)
		},
		"rate limited": func(c *imtest.Conn, f *imtest.Frame) {
			c.Send(map[string]any{
				"type": "error", "id": f.ID, "code": "rate_limited", "message": "", "retry": "after", "retry_after_ms": 5,
			})
		},
		"answered by the event alone": commit,
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			s := imtest.NewServer(t)
			id := s.NewConversation("alice", "bob")
			faulty := 3 // sends; the later ones succeed
			s.Set(func(b *imtest.Behavior) {
				b.Frame = func(c *imtest.Conn, f *imtest.Frame) bool {
					if f.Type != "send" || faulty == 0 {
						return false
					}
					faulty--
					fault(c, f)
					return true
				}
			})
			c := start(t, "alice", Options{}, s.URL)
			c.waitOnline(t)
			for i := range 5 {
				sent := c.mustSend(t, Post{To: "bob", Content: Text(fmt.Sprint(i))})
				require.EqualValues(t, i+2, sent.Seq)
			}
			c.waitFor(t, id, 2, 6)
			require.Equal(t, []string{"0", "1", "2", "3", "4"}, texts(c.received(id)))
		})
	}
}

func TestRefusedSend(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	s.Set(func(b *imtest.Behavior) {
		b.Frame = func(c *imtest.Conn, f *imtest.Frame) bool {
			if f.Type == "send" {
				c.Refuse(f.ID, domain.CodeForbidden, domain.RetryNever)
			}
			return f.Type == "send"
		}
	})
	c := start(t, "alice", Options{}, s.URL)
	c.waitOnline(t)
	_, err := c.Send(t.Context(), Post{ConversationID: id, Content: Text("no")})
	require.ErrorIs(t, err, ErrForbidden)
	_, err = c.Send(t.Context(), Post{ConversationID: id, Content: []byte("{")})
	require.ErrorIs(t, err, ErrInvalid)

	c.close()
	_, err = c.Send(t.Context(), Post{ConversationID: id, Content: Text("late")})
	require.ErrorIs(t, err, ErrClosed)
}

func TestSendGivenUp(t *testing.T) {
	s := imtest.NewServer(t)
	s.Set(refuseUpgrades(http.StatusBadGateway))
	c := start(t, "alice", Options{}, s.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.Send(ctx, Post{To: "bob", Content: Text("x")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	c.locked(func(e *engine) { require.Empty(t, e.outbox.calls) })
}

func TestRestart(t *testing.T) {
	s := imtest.NewServer(t)
	id, quiet := s.NewConversation("alice", "bob"), s.NewConversation("alice", "carol")
	s.Post(quiet, "carol", "old")
	path := filepath.Join(t.TempDir(), "positions.json")
	options := func() Options { return Options{Device: "d", Store: NewFileStore(path)} }

	c := start(t, "alice", options(), s.URL)
	c.waitOnline(t)
	s.Post(id, "bob", "1")
	c.waitFor(t, id, 2, 2)
	c.close()

	for i := range 700 { // more than a page
		s.Post(id, "bob", fmt.Sprint(i))
	}
	s.Post(quiet, "carol", "new")
	s.ForgetAcks() // only the store knows the positions
	c = start(t, "alice", options(), s.URL)
	c.waitFor(t, id, 3, 702)
	c.waitFor(t, quiet, 3, 3)
}

func TestOnlyHandledEventsAreAcknowledged(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	failure := errors.New("disk full")
	c := start(t, "alice", Options{Device: "d", OnEvent: func(_ context.Context, _ *Client, e Event) error {
		if e.Seq == 4 {
			return failure
		}
		return nil
	}}, s.URL)
	c.waitOnline(t)
	for i := range 4 {
		s.Post(id, "bob", fmt.Sprint(i))
	}
	<-c.done
	require.ErrorIs(t, c.err, failure)
	eventually.True(t, "acknowledged up to 3", func() bool { return s.Acked("alice", id) == 3 })
	c = start(t, "alice", Options{Device: "d"}, s.URL) // a new store: the acknowledgements of the device count
	c.waitFor(t, id, 4, 5)
}

func TestSlowCallback(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	release := make(chan struct{})
	c := start(t, "alice", Options{OnEvent: func(ctx context.Context, _ *Client, _ Event) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, s.URL)
	c.waitOnline(t)
	big := fmt.Sprintf("%030000d", 7)
	const n = 400 // 12 MB, three times MaxBuffered
	for range n {
		s.Post(id, "bob", big)
	}
	eventually.NoError(t, "all events are known, and few are buffered", func() (err error) {
		c.locked(func(e *engine) {
			switch stream := e.streams[id]; {
			case stream == nil || stream.head != n+1:
				err = errors.New("not all pushed yet")
			case e.inbox.bytes > MaxBuffered+1<<20:
				err = fmt.Errorf("%d bytes are buffered", e.inbox.bytes)
			}
		})
		return err
	})
	// Neither the connection nor sends wait for the callback.
	c.mustSend(t, Post{ConversationID: id, Content: Text("still here")})
	close(release)
	c.waitFor(t, id, 2, n+2)
}

func TestConversations(t *testing.T) {
	s := imtest.NewServer(t)
	first, second := s.NewConversation("alice", "bob"), s.NewConversation("alice", "carol")
	c := start(t, "alice", Options{}, s.URL)
	c.waitOnline(t)
	s.Post(second, "carol", "a")
	s.Post(first, "bob", "b")
	s.Post(first, "bob", "c")
	c.waitFor(t, first, 2, 3)
	c.waitFor(t, second, 2, 2)
	list := c.Conversations()
	require.Equal(t, []ConversationID{first, second}, []ConversationID{list[0].ConversationID, list[1].ConversationID})
	require.EqualValues(t, 2, list[0].UnreadCount)
	require.Equal(t, "c", TextOf(list[0].LastMessage.Content))

	state, err := c.MarkRead(t.Context(), first, 2)
	require.NoError(t, err)
	require.EqualValues(t, 1, state.UnreadCount)
	v, ok := c.Conversation(first)
	require.True(t, ok)
	require.EqualValues(t, 1, v.UnreadCount)

	c.mustSend(t, Post{ConversationID: first, Content: Text("mine")})
	c.waitFor(t, first, 2, 4)
	v, _ = c.Conversation(first)
	require.Zero(t, v.UnreadCount, "sending marks as read")
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{},
		{URLs: []string{"http://x"}},
		{URLs: []string{"ftp://x"}, Token: Token("t")},
		{URLs: []string{"x"}, Token: Token("t")},
		{URLs: []string{"http://x"}, Token: Token("t"), History: -2},
	} {
		_, err := New(o)
		require.Error(t, err)
	}
}
