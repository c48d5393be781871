package realtime

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

var (
	_ Whereabouts     = (*registry)(nil)
	_ VisibilityStore = (*world)(nil)
)

func (r *registry) Online(_ context.Context, users []domain.UserID) (map[domain.UserID]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, domain.ErrUnavailable
	}
	online := make(map[domain.UserID]bool)
	for _, e := range r.entries {
		online[e.User] = online[e.User] || !e.Background
	}
	return online, nil
}

func (r *registry) MassChanges() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.upheavals
}

func (r *registry) Reregister(ctx context.Context, e domain.SessionEntry) {
	_ = r.Register(ctx, e, false)
}

// upheave changes what the registry knows behind everybody's back.
func (r *registry) upheave(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	r.upheavals++
}

// expectPresence returns the next frame, which has to be the presence of user.
func (p *peer) expectPresence(user string, online any) answer {
	p.t.Helper()
	a := p.expect("presence")
	require.Equal(p.t, user, a["user_id"])
	require.Contains(p.t, a, "online")
	require.Equal(p.t, online, a["online"], "%v", a)
	return a
}

// await returns the next frame of a type, whatever comes before.
func (p *peer) await(kind string) answer {
	p.t.Helper()
	for {
		a, err := p.receive()
		require.NoError(p.t, err)
		if a["type"] == kind {
			return a
		}
	}
}

func (p *peer) expectQuiet() {
	p.t.Helper()
	p.send(`{"type":"ping"}`)
	p.expect("pong")
}

func TestWatch(t *testing.T) {
	t.Run("who comes, hides and goes", func(t *testing.T) {
		s := newSite(t, nil)
		s.w.create("a", "b")
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		require.NotContains(t, a.expectPresence("b", false), "last_seen_at")
		b := s.hello("b", "1")
		a.expectPresence("b", true)
		b.send(`{"type":"ping","background":true}`)
		b.expect("pong")
		a.expectPresence("b", false)
		b.send(`{"type":"hello","device_id":"1","token":"b"}`)
		b.expect("welcome")
		a.expectPresence("b", true)
		other := s.hello("b", "2")
		_ = b.ws.Close()
		s.eventually(func() bool { return s.registry.size() == 2 })
		a.expectQuiet()
		_ = other.ws.Close()
		seen, err := time.Parse(time.RFC3339Nano, a.expectPresence("b", false)["last_seen_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), seen, patience)
	})
	t.Run("a list replaces the former one", func(t *testing.T) {
		s := newSite(t, nil)
		s.w.create("a", "b", "c")
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b","b"]}`)
		a.expectPresence("b", false)
		a.send(`{"type":"watch","user_ids":["c"]}`)
		a.expectPresence("c", false)
		s.hello("b", "1")
		s.hello("c", "1")
		a.expectPresence("c", true)
		a.send(`{"type":"watch","user_ids":[]}`)
		a.expectQuiet()
		s.hub.watches.mu.Lock()
		defer s.hub.watches.mu.Unlock()
		require.Empty(t, s.hub.watches.viewers)
		require.Empty(t, s.hub.watches.watched)
	})
	t.Run("I8 strangers are offline, and those who part become so", func(t *testing.T) {
		s := newSite(t, nil)
		s.hello("c", "1")
		b := s.hello("b", "1")
		_ = b.ws.Close()
		s.eventually(func() bool { defer s.w.begin()(); return !s.w.seen["b"].IsZero() && s.registry.size() == 1 })
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		require.NotContains(t, a.expectPresence("b", false), "last_seen_at")
		a.send(`{"type":"watch","user_ids":["c"]}`)
		a.expectPresence("c", false)
		id := s.w.create("a", "c")
		require.Equal(t, true, a.await("presence")["online"])
		s.w.remove(id, "c")
		gone := a.await("presence")
		require.Equal(t, false, gone["online"])
		require.NotContains(t, gone, "last_seen_at")
	})
	t.Run("unknown while the registry is away, and true again after", func(t *testing.T) {
		s := newSite(t, nil)
		s.w.create("a", "b")
		a := s.hello("a", "1")
		s.hello("b", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		a.expectPresence("b", true)
		s.registry.upheave(func() { s.registry.away = true })
		a.expectPresence("b", nil)
		s.registry.upheave(func() { s.registry.away = false })
		again := a.expect("presence")
		for again["online"] == nil { // told again when it becomes known when b was last seen
			again = a.expect("presence")
		}
		require.Equal(t, true, again["online"])
	})
	t.Run("a node that died tells nobody", func(t *testing.T) {
		s := newSite(t, nil)
		s.w.create("a", "b")
		s.registry.upheave(func() { s.registry.entries["x"] = domain.SessionEntry{Session: "x", User: "b"} })
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		a.expectPresence("b", true)
		s.registry.upheave(func() { delete(s.registry.entries, "x") })
		a.expectPresence("b", false)
	})
	t.Run("the store away for a moment", func(t *testing.T) {
		s := newSite(t, nil)
		s.w.create("a", "b")
		a := s.hello("a", "1")
		s.w.setAway(true)
		a.send(`{"type":"watch","user_ids":["b"]}`)
		a.expectQuiet()
		s.w.setAway(false)
		a.expectPresence("b", false)
	})
}

func TestWatchman(t *testing.T) {
	x, r, begin := newWatches(), &registry{}, time.Now()
	m := &watchman{watches: &x, presence: NewPresence(r, nil), looked: begin}
	s := &session{id: "s", user: "a", out: newOutbox(1000, func() {}, func() {})}
	x.set(s, []domain.UserID{"b"})
	x.take()
	due := func(after time.Duration) bool {
		m.tick(begin.Add(after))
		return len(x.take()) > 0
	}
	require.False(t, due(59*time.Second))
	require.True(t, due(time.Minute), "never stuck: all are looked at once a minute")
	require.False(t, due(time.Minute+time.Second))
	r.upheave(func() {})
	for n := range 5 {
		require.True(t, due(61*time.Second+time.Duration(n+1)*time.Second), "at once after an upheaval, and again while there is unrest")
	}
	require.False(t, due(67*time.Second))
	x.remove(s)
	require.Empty(t, x.viewers)
	require.Empty(t, x.watched)
}

func TestWatches_tell(t *testing.T) {
	x := newWatches()
	s := &session{id: "s", user: "a", out: newOutbox(200, func() {}, func() {})}
	x.set(s, []domain.UserID{"b"})
	list := x.take()[domain.PresenceQuery{Viewer: "a", User: "b"}]
	require.Len(t, list, 1)
	s.out.answer(make(wire, 150))
	x.tell(list, domain.Presence{UserID: "b", Online: new(true)})
	require.Len(t, x.take(), 1, "what found no room is due again")
	drainAll(s.out)
	x.tell(list, domain.Presence{UserID: "b", Online: new(true)})
	x.tell(list, domain.Presence{UserID: "b", Online: new(true)})
	require.Equal(t, []string{"presence"}, types(drain(s.out)))
	x.remove(s)
	x.tell(list, domain.Presence{UserID: "b", Online: new(false)})
	x.putBack(list)
	require.Empty(t, drain(s.out))
	require.Empty(t, x.take())
}

func drainAll(o *outbox) {
	for o.take() != nil {
	}
}
