package hub

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

func TestPush(t *testing.T) {
	t.Run("in order to every session of every member", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a", "b")
		a1, a2, b, c := s.connect("a", "1"), s.connect("a", "2"), s.connect("b", "1"), s.connect("c", "1")
		for range 3 {
			s.push(s.store.Post(id, "a", "m"))
		}
		for _, l := range []*recorder{a1, a2, b} {
			eventually.True(t, "the events arrive", func() bool { return len(l.seqs(id)) == 3 })
			require.Equal(t, []int64{2, 3, 4}, l.seqs(id))
		}
		s.expectTypes(c, "welcome")
	})
	t.Run("drops what it has pushed before", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		a := s.connect("a", "1")
		e := s.store.Post(id, "a", "m")
		s.push(e)
		s.push(e)
		s.push(s.store.EventAt(id, 1), e)
		s.push(s.store.Post(id, "a", "n"))
		eventually.True(t, "the events arrive", func() bool { return len(a.seqs(id)) == 2 })
		require.Equal(t, []int64{2, 3}, a.seqs(id))
	})
	t.Run("I4 fills a hole from the log", func(t *testing.T) {
		s := newHarness(t, noTail)
		s.store.SetRangeLimit(2)
		id := s.store.NewGroup("a")
		a := s.connect("a", "1")
		for range 7 {
			s.store.Post(id, "a", "m")
		}
		s.push(s.store.EventAt(id, 8))
		eventually.True(t, "the events arrive", func() bool { return len(a.seqs(id)) == 7 })
		require.Equal(t, []int64{2, 3, 4, 5, 6, 7, 8}, a.seqs(id))
	})
	t.Run("reports a log that ends below what was committed", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		s.connect("a", "1")
		e := s.store.EventAt(id, 1)
		e.Seq = 9
		s.push(e)
		eventually.True(t, "the lost head is reported", func() bool { return slices.Equal(s.store.LostHeads(), []int64{9}) })
	})
}

func TestAddedWhileConnected(t *testing.T) {
	t.Run("the conversation, then every event from the joining on", func(t *testing.T) {
		s := newHarness(t, noTail)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		s.store.Post(id, "a", "m")
		s.push(s.store.AddMember(id, "b"))
		eventually.True(t, "the frames arrive", func() bool { return len(b.received()) == 3 })
		s.push(s.store.Post(id, "a", "m"))
		s.expectTypes(b, "welcome", "conversation", "member.added", "message.posted")
		require.Equal(t, []int64{3, 4}, b.seqs(id))
	})
	t.Run("the creator too", func(t *testing.T) {
		s := newHarness(t, noTail)
		a := s.connect("a", "1")
		id := s.store.NewGroup("a", "b")
		s.push(s.store.EventAt(id, 1))
		s.expectTypes(a, "welcome", "conversation", "conversation.created")
	})
	t.Run("I6 by the tail alone", func(t *testing.T) {
		s := newHarness(t, 5*time.Millisecond)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		s.store.AddMember(id, "b")
		eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 1 })
		s.store.Post(id, "a", "m")
		eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 2 })
		s.expectTypes(b, "welcome", "conversation", "member.added", "message.posted")
	})
	t.Run("once the store is available again", func(t *testing.T) {
		s := newHarness(t, 5*time.Millisecond)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		s.store.SetUnavailable(true)
		s.push(s.store.AddMember(id, "b"))
		s.store.SetUnavailable(false)
		eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 1 })
	})
	t.Run("though another user's list was read before the push", func(t *testing.T) {
		for name, deliver := range map[string]func(*harness, domain.Event){
			"push": func(s *harness, added domain.Event) { s.push(added) },
			"tail": func(s *harness, _ domain.Event) { s.hub.readFeedSoon() },
		} {
			t.Run(name, func(t *testing.T) {
				s := newHarness(t, noTail)
				b := s.connect("b", "1")
				id := s.store.NewGroup("a")
				added := s.store.AddMember(id, "b")
				s.connect("a", "1")
				deliver(s, added)
				s.expectTypes(b, "welcome", "conversation", "member.added")
			})
		}
	})
	t.Run("from the latest joining on, whichever event arrives", func(t *testing.T) {
		s := newHarness(t, noTail)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		first := s.store.AddMember(id, "b")
		s.store.RemoveMember(id, "b")
		s.store.Post(id, "a", "not for b")
		s.store.AddMember(id, "b")
		s.connect("a", "1")
		s.push(first)
		eventually.True(t, "the frames arrive", func() bool { return len(b.received()) == 3 })
		require.Equal(t, []int64{5}, b.seqs(id))
	})
	t.Run("a backfill that is too long is left to a gap", func(t *testing.T) {
		s := newHarness(t, noTail)
		s.store.SetRangeLimit(1)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		added := s.store.AddMember(id, "b")
		for range maxBackfillRounds + 1 {
			s.store.Post(id, "a", "m")
		}
		s.push(added)
		eventually.True(t, "the frames arrive", func() bool { return len(b.received()) == 3 })
		require.Equal(t, map[domain.ConversationID]int64{id: s.store.Head(id)}, b.received()[2].Conversations)
		s.push(s.store.Post(id, "a", "m"))
		eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 1 })
		require.Equal(t, []int64{s.store.Head(id)}, b.seqs(id))
	})
	t.Run("only the removal to a user who was removed before the view was read", func(t *testing.T) {
		for name, deliver := range map[string]func(*harness, ...domain.Event){
			"push":       func(s *harness, events ...domain.Event) { s.push(events...) },
			"tail":       func(s *harness, events ...domain.Event) { s.push(events[0]) },
			"push twice": func(s *harness, events ...domain.Event) { s.push(events...); s.push(events...) },
		} {
			t.Run(name, func(t *testing.T) {
				s := newHarness(t, 5*time.Millisecond)
				b := s.connect("b", "1")
				id := s.store.NewGroup("a")
				added := s.store.AddMember(id, "b")
				posted := s.store.Post(id, "a", "m")
				removed := s.store.RemoveMember(id, "b")
				deliver(s, added, posted, removed)
				other := s.store.NewGroup("b")
				eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 1 && len(b.seqs(other)) == 1 })
				require.Equal(t, []int64{removed.Seq}, b.seqs(id))
				require.Equal(t, map[domain.ConversationID]int64{id: posted.Seq}, b.received()[1].Conversations, "a gap for what was before")
			})
		}
	})
	t.Run("the removal, though no view could be read before it", func(t *testing.T) {
		s := newHarness(t, noTail)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		s.store.SetUnavailable(true)
		s.push(s.store.AddMember(id, "b"))
		s.push(s.store.RemoveMember(id, "b"))
		s.expectTypes(b, "welcome", "gap", "member.removed")
		s.store.SetUnavailable(false)
	})
	t.Run("a removal once, though its addition comes again", func(t *testing.T) {
		s := newHarness(t, noTail)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a")
		added := s.store.AddMember(id, "b")
		s.push(added)
		eventually.True(t, "the addition arrives", func() bool { return len(b.seqs(id)) == 1 })
		s.push(s.store.RemoveMember(id, "b"))
		for range 3 {
			s.push(added)
			eventually.True(t, "nothing is kept", func() bool { return s.hub.Conversations() == 0 })
		}
		s.expectTypes(b, "welcome", "conversation", "member.added", "member.removed")
	})
	t.Run("the latest removal, though an older addition comes late", func(t *testing.T) {
		s := newHarness(t, noTail)
		b := s.connect("b", "1")
		id := s.store.NewGroup("a", "c")
		first, out := s.store.AddMember(id, "b"), s.store.RemoveMember(id, "b")
		s.connect("c", "1") // so the hub tracks the conversation from here on
		second, last := s.store.AddMember(id, "b"), s.store.RemoveMember(id, "b")
		s.push(second)
		eventually.True(t, "the removal arrives", func() bool { return len(b.seqs(id)) == 1 })
		s.push(first, out)
		s.push(last)
		s.expectTypes(b, "welcome", "gap", "member.removed")
		require.Equal(t, []int64{last.Seq}, b.seqs(id))
	})
	t.Run("what is kept of removals is bounded", func(t *testing.T) {
		s := newHarness(t, noTail)
		b := s.connect("b", "1")
		for range maxLeft + 10 {
			id := s.store.NewGroup("a")
			s.push(s.store.AddMember(id, "b"), s.store.RemoveMember(id, "b"))
			eventually.True(t, "the removal arrives", func() bool { return len(b.seqs(id)) > 0 })
		}
		require.Len(t, b.s.user.left, maxLeft)
	})
}

func TestRemoved(t *testing.T) {
	s := newHarness(t, noTail)
	id := s.store.NewGroup("a", "b")
	b := s.connect("b", "1")
	a := s.connect("a", "1")
	s.push(s.store.RemoveMember(id, "b"))
	s.push(s.store.Post(id, "a", "m"))
	eventually.True(t, "the events arrive", func() bool { return len(a.seqs(id)) == 2 })
	eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 1 })
	s.expectTypes(b, "welcome", "member.removed")

	s.push(s.store.AddMember(id, "b"))
	eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 2 })
	s.expectTypes(b, "welcome", "member.removed", "conversation", "member.added")
}

func TestJoin(t *testing.T) {
	t.Run("a removal after the list was read wins", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a", "b")
		s.store.OnNextList(func() {
			s.push(s.store.RemoveMember(id, "b"))
		})
		b := s.connect("b", "1")
		a := s.connect("a", "1")
		s.push(s.store.Post(id, "a", "m"))
		eventually.True(t, "the events arrive", func() bool { return len(a.seqs(id)) == 1 })
		s.expectTypes(b, "welcome")
	})
	t.Run("a removal that only another user's list shows", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a", "b")
		var a *recorder
		s.store.OnNextList(func() {
			s.store.RemoveMember(id, "b")
			a = s.connect("a", "1")
		})
		b := s.connect("b", "1")
		s.push(s.store.Post(id, "a", "m"))
		eventually.True(t, "the events arrive", func() bool { return len(a.seqs(id)) == 1 })
		s.expectTypes(b, "welcome")
	})
	t.Run("a list older than another user's is read again, so that nothing after the welcome is missed", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a", "b")
		s.store.OnNextList(func() {
			s.store.Post(id, "a", "m")
			s.connect("a", "1")
		})
		b := s.connect("b", "1")
		s.push(s.store.RemoveMember(id, "b"))
		s.expectTypes(b, "welcome", "member.removed")
	})
	t.Run("an addition after the list was read makes a member", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		s.store.OnNextList(func() {
			s.push(s.store.AddMember(id, "b"))
		})
		b := s.connect("b", "1")
		s.push(s.store.Post(id, "a", "m"))
		eventually.True(t, "the message arrives", func() bool { return slices.Contains(b.seqs(id), 3) })
		if len(b.seqs(id)) == 1 { // the user became a member before the welcome, so the sync has the addition
			s.expectTypes(b, "welcome", "message.posted")
		} else {
			s.expectTypes(b, "welcome", "conversation", "member.added", "message.posted")
		}
	})
	t.Run("the list wins over an addition that it includes", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		added := s.store.AddMember(id, "b")
		s.store.OnNextList(func() {
			s.push(added)
		})
		b := s.connect("b", "1")
		s.push(s.store.Post(id, "a", "m"))
		eventually.True(t, "the events arrive", func() bool { return len(b.seqs(id)) == 1 })
		s.expectTypes(b, "welcome", "message.posted")
	})
	t.Run("no event from before it, though the node pushes those late", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		a := s.connect("a", "1")
		s.store.Post(id, "a", "m")
		s.store.AddMember(id, "b")
		b := s.connect("b", "1")
		s.push(s.store.Post(id, "a", "n"))
		eventually.True(t, "the events arrive", func() bool { return len(a.seqs(id)) == 3 && len(b.seqs(id)) == 1 })
		require.Equal(t, []int64{4}, b.seqs(id))
	})
	t.Run("a newer session of the device replaces the older", func(t *testing.T) {
		s := newHarness(t, noTail)
		old, other := s.connect("a", "1"), s.connect("a", "2")
		s.connect("a", "1")
		eventually.True(t, "the frames arrive", func() bool { return len(old.received()) == 2 })
		require.Equal(t, 4402, old.received()[1].Code)
		s.expectTypes(other, "welcome")
	})
	t.Run("fails while the store is unavailable, and works again after", func(t *testing.T) {
		s := newHarness(t, noTail)
		s.store.SetUnavailable(true)
		l := newRecorder("a", "1", 1<<20, &s.wg)
		require.ErrorIs(t, s.join(l), domain.ErrUnavailable)
		s.hub.Leave(l.s)
		require.Empty(t, s.hub.Sessions())
		s.store.SetUnavailable(false)
		s.connect("a", "1")
		require.Len(t, s.hub.Sessions(), 1)
	})
}

// TestJoinWithARevokedToken: a session does not begin if its token is revoked before
// the session can be ended, and a session whose token was revoked long ago replaces
// no other.
func TestJoinWithARevokedToken(t *testing.T) {
	for name, other := range map[string]domain.DeviceID{"the first session": "", "beside another": "2"} {
		t.Run(name, func(t *testing.T) {
			s := newHarness(t, noTail)
			id := s.store.NewGroup("a", "b")
			if other != "" {
				s.connect("a", other)
			}
			l := newRecorder("a", "1", 1<<20, &s.wg)
			require.ErrorIs(t, s.joinWhile(l, func() { s.store.Revoke("a") }), domain.ErrUnauthenticated)
			s.hub.Leave(l.s)
			s.push(s.store.Post(id, "b", "m"))
			s.expectTypes(l)
			require.Equal(t, other == "", s.hub.users.get("a") == nil, "no trace is left")
		})
	}
	s := newHarness(t, noTail)
	good := s.connect("a", "1")
	s.store.Revoke("a")
	l := newRecorder("a", "1", 1<<20, &s.wg)
	require.ErrorIs(t, s.joinWhile(l, func() { t.Error("registered") }), domain.ErrUnauthenticated)
	s.hub.Leave(l.s)
	require.False(t, good.s.Queue.Closing())
}

func TestLeave(t *testing.T) {
	s := newHarness(t, noTail)
	id := s.store.NewGroup("a", "b")
	a1, a2 := s.connect("a", "1"), s.connect("a", "2")
	s.hub.Leave(a1.s)
	s.hub.Leave(a1.s)
	s.push(s.store.Post(id, "b", "m"))
	eventually.True(t, "the events arrive", func() bool { return len(a2.seqs(id)) == 1 })
	s.expectTypes(a1, "welcome")
	s.hub.Leave(a2.s)
	require.Empty(t, s.hub.Sessions())
	require.Zero(t, s.hub.Conversations())
}

func TestEpoch(t *testing.T) {
	s := newHarness(t, 5*time.Millisecond)
	id := s.store.NewGroup("a")
	a := s.connect("a", "1")
	s.store.SetEpoch("e2")
	eventually.True(t, "the frames arrive", func() bool { return len(a.received()) == 2 })
	require.Equal(t, 4004, a.received()[1].Code)
	again := s.connect("a", "1")
	s.hub.Leave(a.s)
	s.store.Post(id, "a", "m")
	eventually.True(t, "the events arrive", func() bool { return len(again.seqs(id)) == 1 })
}

// stray returns an event that another epoch has at seq 2.
func stray(id domain.ConversationID) domain.Event {
	return domain.Event{ConversationID: id, Seq: 2, Type: domain.MessagePosted, Sender: "stray", ClientMsgID: "m", Body: json.RawMessage(`{}`)}
}

// TestEpochIsKnownBeforeTheFeed: however the hub learns of a new epoch, nothing of
// it reaches a session of the old one.
func TestEpochIsKnownBeforeTheFeed(t *testing.T) {
	t.Run("by a push", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		a := s.connect("a", "1")
		s.store.SetEpoch("e2")
		s.hub.Push(domain.Committed{ConversationID: id, Epoch: "e2", Events: []domain.Event{stray(id)}})
		eventually.True(t, "the frames arrive", func() bool { return len(a.received()) == 2 })
		require.Equal(t, 4004, a.received()[1].Code, "the hub reads the feed, and drops the push")
	})
	t.Run("not by a late push of an older one", func(t *testing.T) {
		s := newHarness(t, noTail)
		id := s.store.NewGroup("a")
		a := s.connect("a", "1")
		s.hub.Push(domain.Committed{ConversationID: id, Epoch: "e0", Events: []domain.Event{stray(id)}})
		s.hub.Push(domain.Committed{ConversationID: id, Epoch: "e1", Events: []domain.Event{s.store.Post(id, "a", "m")}})
		eventually.True(t, "the frames arrive", func() bool { return len(a.received()) == 2 })
		require.Equal(t, domain.UserID("a"), a.received()[1].Event.Sender)
	})
	t.Run("by a connection to the database", func(t *testing.T) {
		s := newHarness(t, noTail)
		s.store.NewGroup("a")
		a := s.connect("a", "1")
		s.store.SetEpoch("e2")
		s.hub.EpochBegan("e2")
		require.True(t, a.s.Queue.Closing(), "at once")
		eventually.True(t, "the frames arrive", func() bool { return len(a.received()) == 2 })
		require.Equal(t, 4004, a.received()[1].Code)
		eventually.True(t, "the epoch is known", func() bool { return s.hub.currentEpoch() == "e2" })
		s.hub.EpochBegan("e2")
		require.Equal(t, "e2", s.connect("a", "1").s.epoch)
	})
}

func TestFeedPositionLost(t *testing.T) {
	s := newHarness(t, noTail)
	id := s.store.NewGroup("a")
	a := s.connect("a", "1")
	s.store.LoseFeed()
	s.hub.readFeedSoon()
	eventually.True(t, "the frames arrive", func() bool { return len(a.received()) == 2 })
	require.Equal(t, 4003, a.received()[1].Code)
	again := s.connect("a", "1")
	s.store.Post(id, "a", "m")
	s.hub.readFeedSoon()
	eventually.True(t, "the events arrive", func() bool { return len(again.seqs(id)) == 1 })
}

func TestSignal(t *testing.T) {
	s := newHarness(t, noTail)
	a1, a2, b := s.connect("a", "1"), s.connect("a", "2"), s.connect("b", "1")
	s.hub.Signal(domain.UserFrame{User: "a", Frame: json.RawMessage(`{"type":"one"}`)})
	s.hub.Signal(domain.UserFrame{User: "a", Frame: json.RawMessage(`{"type":"two"}`), Except: a1.s.ID})
	s.expectTypes(a2, "welcome", "one", "two")
	s.expectTypes(a1, "welcome", "one")

	s.hub.Signal(domain.EndSessions{User: "a", Session: a1.s.ID, Code: 4401})
	eventually.True(t, "the frames arrive", func() bool { return len(a1.received()) == 3 })
	require.Equal(t, 4401, a1.received()[2].Code)
	s.hub.Signal(domain.EndSessions{User: "a", Below: a2.s.number + 1, Code: 4402})
	eventually.True(t, "the frames arrive", func() bool { return len(a2.received()) == 4 })
	require.Equal(t, 4402, a2.received()[3].Code)
	s.expectTypes(b, "welcome")
}

func TestSlowReader(t *testing.T) {
	s := newHarness(t, noTail)
	id := s.store.NewGroup("a")
	slow := newRecorder("a", "1", 1<<10, &s.wg)
	require.NoError(t, s.join(slow))
	eventually.True(t, "the frames arrive", func() bool { return len(slow.received()) == 1 })
	fast := s.connect("a", "2")
	slow.pause()
	defer slow.resume()
	for range 50 {
		s.push(s.store.Post(id, "b", "m"))
	}
	eventually.True(t, "the events arrive", func() bool { return len(fast.seqs(id)) == 50 })
	slow.resume()
	eventually.True(t, "the frames arrive", func() bool { h := slow.received(); return h[len(h)-1].Type == "gap" })
	frames := slow.received()
	require.Equal(t, map[domain.ConversationID]int64{id: 51}, frames[len(frames)-1].Conversations)
	s.push(s.store.Post(id, "b", "m"))
	eventually.True(t, "the events arrive", func() bool { q := slow.seqs(id); return q[len(q)-1] == 52 })
	require.Less(t, len(slow.seqs(id)), 51)
}

// TestTryPush: it waits for no lock of the hub (I9), and otherwise does what Push does.
func TestTryPush(t *testing.T) {
	s := newHarness(t, noTail)
	id := s.store.NewGroup("a")
	a := s.connect("a", "1")
	commit := domain.Committed{ConversationID: id, Events: []domain.Event{s.store.Post(id, "a", "m")}}
	sh := s.hub.shard(id)

	sh.mu.Lock()
	require.False(t, s.hub.TryPush(commit))
	sh.mu.Unlock()
	s.hub.epochMu.Lock()
	require.False(t, s.hub.TryPush(commit))
	s.hub.epochMu.Unlock()
	require.Empty(t, a.seqs(id))

	require.True(t, s.hub.TryPush(commit))
	eventually.True(t, "the event arrives", func() bool { return len(a.seqs(id)) == 1 })
}
