package realtime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// expectPresence returns the next frame, which must be the presence of user.
func (p *client) expectPresence(user string, online any) answer {
	p.t.Helper()
	a := p.expect("presence")
	require.Equal(p.t, user, a["user_id"])
	require.Contains(p.t, a, "online")
	require.Equal(p.t, online, a["online"], "%v", a)
	return a
}

func TestWatch(t *testing.T) {
	t.Run("a user comes online, goes to the background and leaves", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.store.NewGroup("a", "b")
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
		eventually.True(t, "the registry follows", func() bool { return s.registry.len() == 2 })
		a.expectNothing()
		_ = other.ws.Close()
		seen, err := time.Parse(time.RFC3339Nano, a.expectPresence("b", false)["last_seen_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), seen, eventually.Deadline)
	})
	t.Run("a list replaces the former one", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.store.NewGroup("a", "b", "c")
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b","b"]}`)
		a.expectPresence("b", false)
		a.send(`{"type":"watch","user_ids":["c"]}`)
		a.expectPresence("c", false)
		s.hello("b", "1")
		s.hello("c", "1")
		a.expectPresence("c", true)
		a.send(`{"type":"watch","user_ids":[]}`)
		a.expectNothing()
		require.Zero(t, s.watches.Users())
	})
	t.Run("I8 users without a common conversation are offline to each other", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.hello("c", "1")
		b := s.hello("b", "1")
		_ = b.ws.Close()
		eventually.True(t, "the registry follows", func() bool { return !s.store.LastSeen("b").IsZero() && s.registry.len() == 1 })
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		require.NotContains(t, a.expectPresence("b", false), "last_seen_at")
		a.send(`{"type":"watch","user_ids":["c"]}`)
		a.expectPresence("c", false)
		id := s.store.NewGroup("a", "c")
		require.Equal(t, true, a.await("presence")["online"])
		s.store.RemoveMember(id, "c")
		gone := a.await("presence")
		require.Equal(t, false, gone["online"])
		require.NotContains(t, gone, "last_seen_at")
	})
	t.Run("unknown while the registry is unavailable, and known again after", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.store.NewGroup("a", "b")
		a := s.hello("a", "1")
		s.hello("b", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		a.expectPresence("b", true)
		s.registry.massChange(func() { s.registry.unavailable = true })
		a.expectPresence("b", nil)
		s.registry.massChange(func() { s.registry.unavailable = false })
		again := a.expect("presence")
		for again["online"] == nil { // sent again when the last-seen time of b becomes known
			again = a.expect("presence")
		}
		require.Equal(t, true, again["online"])
	})
	t.Run("a node that died announces nothing", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.store.NewGroup("a", "b")
		s.registry.massChange(func() { s.registry.entries["x"] = domain.SessionEntry{Session: "x", User: "b"} })
		a := s.hello("a", "1")
		a.send(`{"type":"watch","user_ids":["b"]}`)
		a.expectPresence("b", true)
		s.registry.massChange(func() { delete(s.registry.entries, "x") })
		a.expectPresence("b", false)
	})
	t.Run("the store is unavailable for a moment", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.store.NewGroup("a", "b")
		a := s.hello("a", "1")
		s.store.SetUnavailable(true)
		a.send(`{"type":"watch","user_ids":["b"]}`)
		a.expectNothing()
		s.store.SetUnavailable(false)
		a.expectPresence("b", false)
	})
}
