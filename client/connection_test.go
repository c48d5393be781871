package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/imtest"
)

func TestCloseCodes(t *testing.T) {
	t.Run("stop", func(t *testing.T) {
		for _, code := range []int{4300, 4400, 4401, 4402, 4403, 1009} {
			s := imtest.NewServer(t)
			c := start(t, "alice", Options{}, s.URL)
			c.waitOnline(t)
			s.HangUp(code)
			<-c.done
			var closed *Closed
			require.ErrorAs(t, c.err, &closed)
			require.Equal(t, code, closed.Code)
		}
	})
	t.Run("reconnect", func(t *testing.T) {
		for _, code := range []int{0, 1001, 1012, 1013, 4000, 4001, 4002, 4003, 4999} {
			s := imtest.NewServer(t)
			id := s.NewConversation("alice", "bob")
			c := start(t, "alice", Options{}, s.URL)
			c.waitOnline(t)
			s.HangUp(code)
			s.Post(id, "bob", "while away")
			c.waitFor(t, id, 2, 2)
		}
	})
	t.Run("new token", func(t *testing.T) {
		s := imtest.NewServer(t)
		id := s.NewConversation("alice", "bob")
		s.Set(func(b *imtest.Behavior) {
			b.Frame = func(conn *imtest.Conn, f *imtest.Frame) bool {
				if f.Type == "hello" && f.Token == "old" {
					conn.Close(4200)
					return true
				}
				return false
			}
		})
		var calls atomic.Int64
		token := func(context.Context) (string, error) {
			if calls.Add(1) == 1 {
				return "old", nil
			}
			return "alice", nil
		}
		c := start(t, "alice", Options{Token: token}, s.URL)
		c.waitOnline(t)
		s.Post(id, "bob", "x")
		c.waitFor(t, id, 2, 2)
	})
	t.Run("no newer token", func(t *testing.T) {
		s := imtest.NewServer(t)
		s.Set(func(b *imtest.Behavior) {
			b.Frame = func(conn *imtest.Conn, _ *imtest.Frame) bool {
				conn.Close(4200)
				return true
			}
		})
		c := start(t, "alice", Options{}, s.URL)
		<-c.done
		require.ErrorContains(t, c.err, "4200")
	})
	t.Run("unauthenticated at the upgrade", func(t *testing.T) {
		s := imtest.NewServer(t)
		s.Set(refuseUpgrades(http.StatusUnauthorized))
		c := start(t, "alice", Options{}, s.URL)
		<-c.done
		require.ErrorContains(t, c.err, "401")
	})
}

func refuseUpgrades(status int) func(*imtest.Behavior) {
	return func(b *imtest.Behavior) { b.Upgrade = func() int { return status } }
}

func TestNextURLAfterAFailure(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	dead := imtest.NewServer(t)
	dead.Set(refuseUpgrades(http.StatusServiceUnavailable))
	c := start(t, "alice", Options{}, dead.URL, "http://127.0.0.1:1", s.URL)
	c.waitOnline(t)
	s.Post(id, "bob", "found")
	c.waitFor(t, id, 2, 2)
}

// TestTimeoutsOfAStoppedNode: a node that accepts connections and answers nothing is
// given up early, and later from round to round. A node that does not answer a hello is
// given up when it cannot accept it any more.
func TestTimeoutsOfAStoppedNode(t *testing.T) {
	s := imtest.NewServer(t)
	s.Set(func(b *imtest.Behavior) {
		b.Frame = func(_ *imtest.Conn, f *imtest.Frame) bool { return f.Type == "hello" }
	})
	stopped, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = stopped.Close() })
	for _, url := range []string{s.URL, "http://" + stopped.Addr().String()} {
		c, err := New(Options{URLs: []string{url}, Token: Token("alice")})
		require.NoError(t, err)
		require.LessOrEqual(t, c.timing.dial, 5*time.Second)
		require.Greater(t, c.timing.welcome, 20*time.Second, "a node takes 10 s for a turn, and 10 s to admit a session")
		c.timing.pong, c.timing.welcome = time.Hour, 50*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), eventually.Deadline)
		lasted, _, err := c.connect(ctx, url, 50*time.Millisecond)
		require.Error(t, err)
		require.NoError(t, ctx.Err(), "still waits for %s", url)
		require.Zero(t, lasted)
		cancel()
	}
	limits := timing{dial: 4, maxDial: 16}
	for failures, want := range []time.Duration{4, 4, 8, 8, 16, 16, 16} {
		require.Equal(t, want, limits.dialTimeout(failures, 2))
	}
	require.EqualValues(t, 16, limits.dialTimeout(1000, 1))
}

func TestDrain(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	c := start(t, "alice", Options{}, s.URL)
	c.waitOnline(t)
	s.Send("alice", map[string]any{"type": "drain", "reconnect_after_ms": 10})
	eventually.True(t, "another connection", func() bool { return s.Hellos() >= 2 })
	s.Post(id, "bob", "on the other connection")
	c.waitFor(t, id, 2, 2)
}

func TestSilentServer(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	var pings atomic.Int64
	var mute atomic.Bool
	s.Set(func(b *imtest.Behavior) {
		b.Heartbeat = 20 * time.Millisecond
		b.Frame = func(_ *imtest.Conn, f *imtest.Frame) bool {
			if f.Type == "ping" {
				pings.Add(1)
			}
			return f.Type == "ping" && mute.Load()
		}
	})
	c := start(t, "alice", Options{}, s.URL)
	c.waitOnline(t)
	eventually.True(t, "three pings", func() bool { return pings.Load() >= 3 })
	require.Equal(t, 1, s.Hellos(), "a server that answers pings is alive")
	c.close()

	mute.Store(true)
	c = startWith(t, "alice", Options{}, func(timing *timing) { timing.pong = 20 * time.Millisecond }, s.URL)
	eventually.True(t, "new connections", func() bool { return s.Hellos() >= 4 })
	s.Post(id, "bob", "x")
	c.waitFor(t, id, 2, 2)
}

func TestTokenRenewal(t *testing.T) {
	s := imtest.NewServer(t)
	s.Set(func(b *imtest.Behavior) { b.TokenLifetime = 40 * time.Millisecond })
	var n atomic.Int64
	c := start(t, "alice", Options{Token: func(context.Context) (string, error) {
		return fmt.Sprintf("alice-%d", n.Add(1)), nil
	}}, s.URL)
	c.waitOnline(t)
	eventually.True(t, "renewals over one socket", func() bool { return s.Hellos() >= 3 && s.Connections() == 1 })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, status := range c.statuses {
		require.NotEqual(t, Offline, status.State)
	}
}

// TestTokenRenewalIsRepeated: the client offers a token again that the server had no
// time to check, and no token again that was accepted.
func TestTokenRenewalIsRepeated(t *testing.T) {
	s := imtest.NewServer(t)
	var calls, refused atomic.Int64
	s.Set(func(b *imtest.Behavior) {
		b.TokenLifetime = 40 * time.Millisecond
		b.Frame = func(conn *imtest.Conn, f *imtest.Frame) bool {
			if f.Type != "hello" || f.Token != "alice-2" || refused.Add(1) > 2 {
				return false
			}
			conn.Refuse("", domain.CodeUnavailable, domain.RetryAgain)
			return true
		}
	})
	c := startWith(t, "alice", Options{Token: func(context.Context) (string, error) {
		return fmt.Sprintf("alice-%d", min(calls.Add(1), 2)), nil
	}}, func(timing *timing) { timing.renewal = 10 * time.Millisecond }, s.URL)
	c.waitOnline(t)
	waitForCalls := func(more int64) {
		until := calls.Load() + more
		eventually.True(t, "further calls of the token source", func() bool { return calls.Load() >= until })
	}
	eventually.True(t, "a renewal", func() bool { return s.Hellos() >= 2 })
	waitForCalls(50) // until the client has certainly read the welcome
	before := refused.Load()
	waitForCalls(20)
	require.Equal(t, before, refused.Load(), "an accepted token is not offered again")
}

func TestBackoff(t *testing.T) {
	b := backoff{first: 500 * time.Millisecond, most: 20 * time.Second}
	for _, ceiling := range []float64{0.5, 1, 2, 4, 8, 16, 20, 20, 20} {
		least, most := time.Hour, time.Duration(0)
		for range 500 {
			attempt := b
			d := attempt.next()
			least, most = min(least, d), max(most, d)
		}
		require.LessOrEqual(t, most.Seconds(), ceiling)
		require.Greater(t, most.Seconds(), ceiling*0.8)
		require.Less(t, least.Seconds(), ceiling*0.2)
		b.next()
	}
	b.reset()
	require.LessOrEqual(t, b.next(), 500*time.Millisecond)
}
