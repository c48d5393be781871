package realtime

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// listener is a session that writes down what it is sent, when it reads.
type listener struct {
	s *session

	mu     sync.Mutex
	paused chan struct{} // nil while it reads
	frames []heard
	marks  int // frames of the test's own, which are not among them
	wg     *sync.WaitGroup
}

type heard struct {
	Type          string                          `json:"type"`
	Event         *domain.Event                   `json:"event"`
	Conversation  *domain.ConversationView        `json:"conversation"`
	Conversations map[domain.ConversationID]int64 `json:"conversations"`
	Code          int                             `json:"-"`
}

func newListener(user domain.UserID, device domain.DeviceID, limit int, wg *sync.WaitGroup) *listener {
	l := &listener{wg: wg}
	l.s = &session{id: newSessionID(), user: user, device: device}
	l.s.out = newOutbox(limit, func() { wg.Add(1); go l.write() }, func() {})
	return l
}

// judge judges a token that does not say when it was issued.
func (l *listener) judge(before time.Time) error {
	return domain.Identity{User: l.s.user}.CheckRevoked(before)
}

func (l *listener) write() {
	defer l.wg.Done()
	for {
		l.mu.Lock()
		paused := l.paused
		l.mu.Unlock()
		if paused != nil {
			<-paused
			continue
		}
		batch := l.s.out.take()
		if batch == nil {
			return
		}
		l.mu.Lock()
		for _, w := range batch {
			if h := decode(w); h.Type == "mark" {
				l.marks++
			} else {
				l.frames = append(l.frames, h)
			}
		}
		l.mu.Unlock()
	}
}

func (l *listener) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == nil {
		l.paused = make(chan struct{})
	}
}

func (l *listener) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused != nil {
		close(l.paused)
		l.paused = nil
	}
}

func (l *listener) heard() []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]heard(nil), l.frames...)
}

func (l *listener) marked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks
}

// seqs are those of the events of a conversation that came.
func (l *listener) seqs(id domain.ConversationID) []int64 {
	seqs := []int64{}
	for _, f := range l.heard() {
		if f.Type == "event" && f.Event.ConversationID == id {
			seqs = append(seqs, f.Event.Seq)
		}
	}
	return seqs
}

func (l *listener) types() []string {
	var types []string
	for _, f := range l.heard() {
		if f.Type == "event" {
			f.Type = string(f.Event.Type)
		}
		types = append(types, f.Type)
	}
	return types
}

func payloadOf(w wire) []byte {
	switch w[1] {
	case 126:
		return w[4:]
	case 127:
		return w[10:]
	default:
		return w[2:]
	}
}

func decode(w wire) heard {
	payload := payloadOf(w)
	if w[0]&0xf == opClose {
		return heard{Type: "close", Code: int(payload[0])<<8 | int(payload[1])}
	}
	var h heard
	if err := json.Unmarshal(payload, &h); err != nil {
		panic(err)
	}
	return h
}

// stage is a hub that runs over a world.
type stage struct {
	t   testing.TB
	w   *world
	hub *Hub
	wg  sync.WaitGroup
}

func newStage(t testing.TB, tail time.Duration) *stage {
	s := &stage{t: t, w: newWorld()}
	s.hub = NewHub(HubOptions{Directory: s.w, Log: s.w, Tail: tail, Workers: 4})
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Add(1)
	go func() { defer s.wg.Done(); _ = s.hub.Run(ctx) }()
	t.Cleanup(func() { cancel(); s.wg.Wait() })
	s.eventually(func() bool { return s.hub.currentEpoch() != "" })
	return s
}

func (s *stage) eventually(ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, patience, time.Millisecond)
}

func (s *stage) join(l *listener) error {
	return s.joinWhile(l, func() {})
}

// joinWhile joins, and does something while the session is being registered.
func (s *stage) joinWhile(l *listener, do func()) error {
	return s.hub.join(s.t.Context(), l.s, admission{
		judge:    l.judge,
		register: func(context.Context, domain.SessionEntry) error { do(); return nil },
		welcome:  func(string) wire { return textFrame([]byte(`{"type":"welcome"}`)) },
	})
}

func (s *stage) connect(user domain.UserID, device domain.DeviceID) *listener {
	s.t.Helper()
	l := newListener(user, device, 1<<20, &s.wg)
	require.NoError(s.t, s.join(l))
	return l
}

// hears waits until the listener has been sent that many frames; they are these, and
// no other is on its way.
func (s *stage) hears(l *listener, types ...string) {
	s.t.Helper()
	s.eventually(func() bool { return len(l.heard()) >= len(types) })
	marks := l.marked()
	l.s.out.offer(textFrame([]byte(`{"type":"mark"}`)))
	s.eventually(func() bool { return l.marked() > marks })
	require.Equal(s.t, types, l.types())
}

func (s *stage) push(events ...domain.Event) {
	s.hub.Push(domain.Committed{ConversationID: events[0].ConversationID, Events: events})
}

const never = time.Hour // a tail that is read only once

func TestPush(t *testing.T) {
	t.Run("in order to every session of every member", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a", "b")
		a1, a2, b, c := s.connect("a", "1"), s.connect("a", "2"), s.connect("b", "1"), s.connect("c", "1")
		for range 3 {
			s.push(s.w.post(id, "a", "m"))
		}
		for _, l := range []*listener{a1, a2, b} {
			s.eventually(func() bool { return len(l.seqs(id)) == 3 })
			require.Equal(t, []int64{2, 3, 4}, l.seqs(id))
		}
		s.hears(c, "welcome")
	})
	t.Run("drops what it has pushed", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		a := s.connect("a", "1")
		e := s.w.post(id, "a", "m")
		s.push(e)
		s.push(e)
		s.push(s.w.event(id, 1), e)
		s.push(s.w.post(id, "a", "n"))
		s.eventually(func() bool { return len(a.seqs(id)) == 2 })
		require.Equal(t, []int64{2, 3}, a.seqs(id))
	})
	t.Run("I4 fills a hole from the log", func(t *testing.T) {
		s := newStage(t, never)
		s.w.rangeLimit = 2
		id := s.w.create("a")
		a := s.connect("a", "1")
		for range 7 {
			s.w.post(id, "a", "m")
		}
		s.push(s.w.event(id, 8))
		s.eventually(func() bool { return len(a.seqs(id)) == 7 })
		require.Equal(t, []int64{2, 3, 4, 5, 6, 7, 8}, a.seqs(id))
	})
	t.Run("reports a log that ends below what was committed", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		s.connect("a", "1")
		e := s.w.event(id, 1)
		e.Seq = 9
		s.push(e)
		s.eventually(func() bool { defer s.w.begin()(); return len(s.w.lost) == 1 && s.w.lost[0] == 9 })
	})
}

func TestIntroduce(t *testing.T) {
	t.Run("the conversation, then every event from the joining on", func(t *testing.T) {
		s := newStage(t, never)
		b := s.connect("b", "1")
		id := s.w.create("a")
		s.w.post(id, "a", "m")
		s.push(s.w.add(id, "b"))
		s.eventually(func() bool { return len(b.heard()) == 3 })
		s.push(s.w.post(id, "a", "m"))
		s.hears(b, "welcome", "conversation", "member.added", "message.posted")
		require.Equal(t, []int64{3, 4}, b.seqs(id))
	})
	t.Run("the creator too", func(t *testing.T) {
		s := newStage(t, never)
		a := s.connect("a", "1")
		id := s.w.create("a", "b")
		s.push(s.w.event(id, 1))
		s.hears(a, "welcome", "conversation", "conversation.created")
	})
	t.Run("I6 by the tail alone", func(t *testing.T) {
		s := newStage(t, 5*time.Millisecond)
		b := s.connect("b", "1")
		id := s.w.create("a")
		s.w.add(id, "b")
		s.eventually(func() bool { return len(b.seqs(id)) == 1 })
		s.w.post(id, "a", "m")
		s.eventually(func() bool { return len(b.seqs(id)) == 2 })
		s.hears(b, "welcome", "conversation", "member.added", "message.posted")
	})
	t.Run("waits for the log to come back", func(t *testing.T) {
		s := newStage(t, 5*time.Millisecond)
		b := s.connect("b", "1")
		id := s.w.create("a")
		s.w.setAway(true)
		s.push(s.w.add(id, "b"))
		s.w.setAway(false)
		s.eventually(func() bool { return len(b.seqs(id)) == 1 })
	})
	t.Run("though another's list came before the push", func(t *testing.T) {
		for name, tell := range map[string]func(*stage, domain.Event){
			"push": func(s *stage, added domain.Event) { s.push(added) },
			"tail": func(s *stage, _ domain.Event) { s.hub.readFeedSoon() },
		} {
			t.Run(name, func(t *testing.T) {
				s := newStage(t, never)
				b := s.connect("b", "1")
				id := s.w.create("a")
				added := s.w.add(id, "b")
				s.connect("a", "1")
				tell(s, added)
				s.hears(b, "welcome", "conversation", "member.added")
			})
		}
	})
	t.Run("from the latest joining on, whichever was heard of", func(t *testing.T) {
		s := newStage(t, never)
		b := s.connect("b", "1")
		id := s.w.create("a")
		first := s.w.add(id, "b")
		s.w.remove(id, "b")
		s.w.post(id, "a", "not for b")
		s.w.add(id, "b")
		s.connect("a", "1")
		s.push(first)
		s.eventually(func() bool { return len(b.heard()) == 3 })
		require.Equal(t, []int64{5}, b.seqs(id))
	})
	t.Run("a long story is left to a gap", func(t *testing.T) {
		s := newStage(t, never)
		s.w.rangeLimit = 1
		b := s.connect("b", "1")
		id := s.w.create("a")
		added := s.w.add(id, "b")
		for range introduceRounds + 1 {
			s.w.post(id, "a", "m")
		}
		s.push(added)
		s.eventually(func() bool { return len(b.heard()) == 3 })
		require.Equal(t, map[domain.ConversationID]int64{id: s.w.head(id)}, b.heard()[2].Conversations)
		s.push(s.w.post(id, "a", "m"))
		s.eventually(func() bool { return len(b.seqs(id)) == 1 })
		require.Equal(t, []int64{s.w.head(id)}, b.seqs(id))
	})
	t.Run("not who was removed again", func(t *testing.T) {
		s := newStage(t, 5*time.Millisecond)
		b := s.connect("b", "1")
		id := s.w.create("a")
		added := s.w.add(id, "b")
		s.w.remove(id, "b")
		s.push(added)
		other := s.w.create("b")
		s.eventually(func() bool { return len(b.seqs(other)) == 1 })
		require.Empty(t, b.seqs(id))
	})
}

func TestRemoved(t *testing.T) {
	s := newStage(t, never)
	id := s.w.create("a", "b")
	b := s.connect("b", "1")
	a := s.connect("a", "1")
	s.push(s.w.remove(id, "b"))
	s.push(s.w.post(id, "a", "m"))
	s.eventually(func() bool { return len(a.seqs(id)) == 2 })
	s.eventually(func() bool { return len(b.seqs(id)) == 1 })
	s.hears(b, "welcome", "member.removed")

	s.push(s.w.add(id, "b"))
	s.eventually(func() bool { return len(b.seqs(id)) == 2 })
	s.hears(b, "welcome", "member.removed", "conversation", "member.added")
}

func TestJoin(t *testing.T) {
	t.Run("a removal after the list was read wins", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a", "b")
		s.w.read = func(context.Context) {
			s.w.read = func(context.Context) {}
			s.push(s.w.remove(id, "b"))
		}
		b := s.connect("b", "1")
		a := s.connect("a", "1")
		s.push(s.w.post(id, "a", "m"))
		s.eventually(func() bool { return len(a.seqs(id)) == 1 })
		s.hears(b, "welcome")
	})
	t.Run("a removal that only another's list has seen", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a", "b")
		var a *listener
		s.w.read = func(context.Context) {
			s.w.read = func(context.Context) {}
			s.w.remove(id, "b")
			a = s.connect("a", "1")
		}
		b := s.connect("b", "1")
		s.push(s.w.post(id, "a", "m"))
		s.eventually(func() bool { return len(a.seqs(id)) == 1 })
		s.hears(b, "welcome")
	})
	t.Run("a list older than another's is read again, so that nothing after welcome is missed", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a", "b")
		s.w.read = func(context.Context) {
			s.w.read = func(context.Context) {}
			s.w.post(id, "a", "m")
			s.connect("a", "1")
		}
		b := s.connect("b", "1")
		s.push(s.w.remove(id, "b"))
		s.hears(b, "welcome", "member.removed")
	})
	t.Run("an addition after the list was read is introduced", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		s.w.read = func(context.Context) {
			s.w.read = func(context.Context) {}
			s.push(s.w.add(id, "b"))
		}
		b := s.connect("b", "1")
		s.hears(b, "welcome", "conversation", "member.added")
	})
	t.Run("the list wins over what it knows already", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		added := s.w.add(id, "b")
		s.w.read = func(context.Context) {
			s.w.read = func(context.Context) {}
			s.push(added)
		}
		b := s.connect("b", "1")
		s.push(s.w.post(id, "a", "m"))
		s.eventually(func() bool { return len(b.seqs(id)) == 1 })
		s.hears(b, "welcome", "message.posted")
	})
	t.Run("nothing of the time before it, though the node pushes that late", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		a := s.connect("a", "1")
		s.w.post(id, "a", "m")
		s.w.add(id, "b")
		b := s.connect("b", "1")
		s.push(s.w.post(id, "a", "n"))
		s.eventually(func() bool { return len(a.seqs(id)) == 3 && len(b.seqs(id)) == 1 })
		require.Equal(t, []int64{4}, b.seqs(id))
	})
	t.Run("a newer session of the device replaces the older", func(t *testing.T) {
		s := newStage(t, never)
		old, other := s.connect("a", "1"), s.connect("a", "2")
		s.connect("a", "1")
		s.eventually(func() bool { return len(old.heard()) == 2 })
		require.Equal(t, 4402, old.heard()[1].Code)
		s.hears(other, "welcome")
	})
	t.Run("fails while the log is away, and works again after", func(t *testing.T) {
		s := newStage(t, never)
		s.w.setAway(true)
		l := newListener("a", "1", 1<<20, &s.wg)
		require.ErrorIs(t, s.join(l), domain.ErrUnavailable)
		s.hub.leave(l.s)
		require.Empty(t, s.hub.Sessions())
		s.w.setAway(false)
		s.connect("a", "1")
		require.Len(t, s.hub.Sessions(), 1)
	})
}

// TestJoinOfTheRevoked: nobody comes in whose token was revoked before the session
// could be ended, and nobody is replaced by one whose token was revoked long ago.
func TestJoinOfTheRevoked(t *testing.T) {
	for name, other := range map[string]domain.DeviceID{"the first session": "", "beside another": "2"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, never)
			id := s.w.create("a", "b")
			if other != "" {
				s.connect("a", other)
			}
			l := newListener("a", "1", 1<<20, &s.wg)
			require.ErrorIs(t, s.joinWhile(l, func() { s.w.revoke("a") }), domain.ErrUnauthenticated)
			s.hub.leave(l.s)
			s.push(s.w.post(id, "b", "m"))
			s.hears(l)
			require.Equal(t, other == "", s.hub.users.get("a") == nil, "it is gone without a trace")
		})
	}
	s := newStage(t, never)
	good := s.connect("a", "1")
	s.w.revoke("a")
	l := newListener("a", "1", 1<<20, &s.wg)
	require.ErrorIs(t, s.joinWhile(l, func() { t.Error("registered") }), domain.ErrUnauthenticated)
	s.hub.leave(l.s)
	require.False(t, good.s.out.over())
}

func TestLeave(t *testing.T) {
	s := newStage(t, never)
	id := s.w.create("a", "b")
	a1, a2 := s.connect("a", "1"), s.connect("a", "2")
	s.hub.leave(a1.s)
	s.hub.leave(a1.s)
	s.push(s.w.post(id, "b", "m"))
	s.eventually(func() bool { return len(a2.seqs(id)) == 1 })
	s.hears(a1, "welcome")
	s.hub.leave(a2.s)
	require.Empty(t, s.hub.Sessions())
	for i := range s.hub.shards {
		require.Empty(t, s.hub.shards[i].entries)
	}
}

func TestEpoch(t *testing.T) {
	s := newStage(t, 5*time.Millisecond)
	id := s.w.create("a")
	a := s.connect("a", "1")
	s.w.newEpoch("e2")
	s.eventually(func() bool { return len(a.heard()) == 2 })
	require.Equal(t, 4004, a.heard()[1].Code)
	again := s.connect("a", "1")
	s.hub.leave(a.s)
	s.w.post(id, "a", "m")
	s.eventually(func() bool { return len(again.seqs(id)) == 1 })
}

// stray is what another epoch has at seq 2.
func stray(id domain.ConversationID) domain.Event {
	return domain.Event{ConversationID: id, Seq: 2, Type: domain.MessagePosted, Sender: "stray", ClientMsgID: "m", Body: json.RawMessage(`{}`)}
}

// TestEpochIsKnownBeforeTheFeed: whoever learns of a new epoch first, nothing of it
// reaches a session of the old one.
func TestEpochIsKnownBeforeTheFeed(t *testing.T) {
	t.Run("by a push", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		a := s.connect("a", "1")
		s.w.newEpoch("e2")
		s.hub.Push(domain.Committed{ConversationID: id, Epoch: "e2", Events: []domain.Event{stray(id)}})
		s.eventually(func() bool { return len(a.heard()) == 2 })
		require.Equal(t, 4004, a.heard()[1].Code, "the push made the feed be read, and was not passed on")
	})
	t.Run("by a push of the old one that comes late", func(t *testing.T) {
		s := newStage(t, never)
		id := s.w.create("a")
		a := s.connect("a", "1")
		s.hub.Push(domain.Committed{ConversationID: id, Epoch: "e0", Events: []domain.Event{stray(id)}})
		s.hub.Push(domain.Committed{ConversationID: id, Epoch: "e1", Events: []domain.Event{s.w.post(id, "a", "m")}})
		s.eventually(func() bool { return len(a.heard()) == 2 })
		require.Equal(t, domain.UserID("a"), a.heard()[1].Event.Sender)
	})
	t.Run("by a connection to the database", func(t *testing.T) {
		s := newStage(t, never)
		s.w.create("a")
		a := s.connect("a", "1")
		s.w.newEpoch("e2")
		s.hub.EpochBegan("e2")
		require.True(t, a.s.out.over(), "at once")
		s.eventually(func() bool { return len(a.heard()) == 2 })
		require.Equal(t, 4004, a.heard()[1].Code)
		s.eventually(func() bool { return s.hub.currentEpoch() == "e2" })
		s.hub.EpochBegan("e2")
		require.Equal(t, "e2", s.connect("a", "1").s.epoch)
	})
}

func TestFeedForgotten(t *testing.T) {
	s := newStage(t, never)
	id := s.w.create("a")
	a := s.connect("a", "1")
	func() { defer s.w.begin()(); s.w.forgotten = true }()
	s.hub.readFeedSoon()
	s.eventually(func() bool { return len(a.heard()) == 2 })
	require.Equal(t, 4003, a.heard()[1].Code)
	again := s.connect("a", "1")
	s.w.post(id, "a", "m")
	s.hub.readFeedSoon()
	s.eventually(func() bool { return len(again.seqs(id)) == 1 })
}

func TestSignal(t *testing.T) {
	s := newStage(t, never)
	a1, a2, b := s.connect("a", "1"), s.connect("a", "2"), s.connect("b", "1")
	s.hub.Signal(domain.UserFrame{User: "a", Frame: json.RawMessage(`{"type":"one"}`)})
	s.hub.Signal(domain.UserFrame{User: "a", Frame: json.RawMessage(`{"type":"two"}`), Except: a1.s.id})
	s.hears(a2, "welcome", "one", "two")
	s.hears(a1, "welcome", "one")

	s.hub.Signal(domain.EndSessions{User: "a", Session: a1.s.id, Code: 4401})
	s.eventually(func() bool { return len(a1.heard()) == 3 })
	require.Equal(t, 4401, a1.heard()[2].Code)
	s.hub.Signal(domain.EndSessions{User: "a", Below: a2.s.number + 1, Code: 4402})
	s.eventually(func() bool { return len(a2.heard()) == 4 })
	require.Equal(t, 4402, a2.heard()[3].Code)
	s.hears(b, "welcome")
}

func TestSlowReader(t *testing.T) {
	s := newStage(t, never)
	id := s.w.create("a")
	slow := newListener("a", "1", 1<<10, &s.wg)
	require.NoError(t, s.join(slow))
	s.eventually(func() bool { return len(slow.heard()) == 1 })
	fast := s.connect("a", "2")
	slow.pause()
	defer slow.resume()
	for range 50 {
		s.push(s.w.post(id, "b", "m"))
	}
	s.eventually(func() bool { return len(fast.seqs(id)) == 50 })
	slow.resume()
	s.eventually(func() bool { h := slow.heard(); return h[len(h)-1].Type == "gap" })
	frames := slow.heard()
	require.Equal(t, map[domain.ConversationID]int64{id: 51}, frames[len(frames)-1].Conversations)
	s.push(s.w.post(id, "b", "m"))
	s.eventually(func() bool { q := slow.seqs(id); return q[len(q)-1] == 52 })
	require.Less(t, len(slow.seqs(id)), 51)
}
