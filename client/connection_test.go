package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClient_close_codes(t *testing.T) {
	t.Run("stop", func(t *testing.T) {
		for _, code := range []int{4300, 4400, 4401, 4402, 4403, 1009} {
			f := newFake(t)
			p := start(t, "alice", Options{}, f.http.URL)
			p.online(t)
			f.hangUp(code)
			<-p.done
			var closed *Closed
			require.ErrorAs(t, p.err, &closed)
			require.Equal(t, code, closed.Code)
		}
	})
	t.Run("reconnect", func(t *testing.T) {
		for _, code := range []int{0, 1001, 1012, 1013, 4000, 4001, 4002, 4003, 4999} {
			f := newFake(t)
			room := f.conversation("alice", "bob")
			p := start(t, "alice", Options{}, f.http.URL)
			p.online(t)
			f.hangUp(code)
			f.post(room, "bob", "meanwhile")
			p.has(t, room, 2, 2)
		}
	})
	t.Run("new token", func(t *testing.T) {
		f := newFake(t)
		room := f.conversation("alice", "bob")
		var asked atomic.Int64
		f.before = func(s *fakeSocket, kind string, frame map[string]any) bool {
			if kind == "hello" && frame["token"] == "old" {
				s.close(4200)
				return true
			}
			return false
		}
		token := func(context.Context) (string, error) {
			if asked.Add(1) == 1 {
				return "old", nil
			}
			return "alice", nil
		}
		p := start(t, "alice", Options{Token: token}, f.http.URL)
		p.online(t)
		f.post(room, "bob", "x")
		p.has(t, room, 2, 2)
	})
	t.Run("no newer token", func(t *testing.T) {
		f := newFake(t)
		f.before = func(s *fakeSocket, kind string, _ map[string]any) bool {
			s.close(4200)
			return true
		}
		p := start(t, "alice", Options{}, f.http.URL)
		<-p.done
		require.ErrorContains(t, p.err, "4200")
	})
	t.Run("unauthenticated at the upgrade", func(t *testing.T) {
		f := newFake(t)
		f.upgrade = func() int { return http.StatusUnauthorized }
		p := start(t, "alice", Options{}, f.http.URL)
		<-p.done
		require.ErrorContains(t, p.err, "401")
	})
}

func TestClient_other_node(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	dead := newFake(t)
	dead.upgrade = func() int { return http.StatusServiceUnavailable }
	p := start(t, "alice", Options{}, dead.http.URL, "http://127.0.0.1:1", f.http.URL)
	p.online(t)
	f.post(room, "bob", "found")
	p.has(t, room, 2, 2)
}

// TestClient_stopped_node: a node that takes connections and answers nothing is given
// up soon, and later from round to round; one that does not answer a hello, when it
// will not any more.
func TestClient_stopped_node(t *testing.T) {
	f := newFake(t)
	f.before = func(_ *fakeSocket, kind string, _ map[string]any) bool { return kind == "hello" }
	stopped, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = stopped.Close() })
	for _, url := range []string{f.http.URL, "http://" + stopped.Addr().String()} {
		c, err := New(Options{URLs: []string{url}, Token: func(context.Context) (string, error) { return "alice", nil }})
		require.NoError(t, err)
		require.LessOrEqual(t, c.timing.dial, 5*time.Second)
		require.Greater(t, c.timing.welcome, 20*time.Second, "a node takes 10 s for a turn, and 10 s to let in")
		c.timing.pong, c.timing.welcome = time.Hour, 50*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		lived, _, err := c.connect(ctx, url, 50*time.Millisecond)
		require.Error(t, err)
		require.NoError(t, ctx.Err(), "it still waits for %s", url)
		require.Zero(t, lived)
		cancel()
	}
	limits := timing{dial: 4, most: 16}
	for n, want := range []time.Duration{4, 4, 8, 8, 16, 16, 16} {
		require.Equal(t, want, limits.patience(n, 2))
	}
	require.EqualValues(t, 16, limits.patience(1000, 1))
}

func TestClient_drain(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	p := start(t, "alice", Options{}, f.http.URL)
	p.online(t)
	f.mu.Lock()
	for s := range f.sockets {
		s.queue(map[string]any{"type": "drain", "reconnect_after_ms": 10})
	}
	f.mu.Unlock()
	eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.hellos) < 2 {
			return errors.New("not back")
		}
		return nil
	})
	f.post(room, "bob", "on the other side")
	p.has(t, room, 2, 2)
}

func TestClient_silence(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	f.heartbeat = 20 * time.Millisecond
	var pings, mute atomic.Int64
	f.before = func(_ *fakeSocket, kind string, _ map[string]any) bool {
		if kind == "ping" {
			pings.Add(1)
		}
		return kind == "ping" && mute.Load() == 1
	}
	p := start(t, "alice", Options{}, f.http.URL)
	p.online(t)
	eventually(t, func() error {
		if pings.Load() < 3 {
			return errors.New("no pings")
		}
		return nil
	})
	f.mu.Lock()
	require.Len(t, f.hellos, 1, "a server that answers pings is alive")
	f.mu.Unlock()
	p.close()

	mute.Store(1)
	p = start(t, "alice", Options{}, f.http.URL)
	p.mu.Lock()
	p.timing.pong = 20 * time.Millisecond
	p.mu.Unlock()
	eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.hellos) < 4 {
			return errors.New("still on the dead connection")
		}
		return nil
	})
	f.post(room, "bob", "x")
	p.has(t, room, 2, 2)
}

func TestClient_token_renewed(t *testing.T) {
	f := newFake(t)
	f.expires = 40 * time.Millisecond
	var n atomic.Int64
	p := start(t, "alice", Options{Token: func(context.Context) (string, error) {
		return fmt.Sprintf("alice-%d", n.Add(1)), nil
	}}, f.http.URL)
	p.online(t)
	eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.hellos) < 3 || len(f.sockets) != 1 {
			return errors.New("not renewed over the one socket")
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.statuses {
		require.NotEqual(t, Offline, s.State)
	}
}

// TestClient_token_renewed_again: a renewal that the server has no time for is tried
// again, with a token that the source had told before.
func TestClient_token_renewed_again(t *testing.T) {
	f := newFake(t)
	f.expires = 40 * time.Millisecond
	var asked, refused atomic.Int64
	f.before = func(s *fakeSocket, kind string, frame map[string]any) bool {
		if kind != "hello" || frame["token"] != "alice-2" || refused.Add(1) > 2 {
			return false
		}
		s.queue(map[string]any{"type": "error", "code": "unavailable", "message": "no time"})
		return true
	}
	p := start(t, "alice", Options{Token: func(context.Context) (string, error) {
		return fmt.Sprintf("alice-%d", min(asked.Add(1), 2)), nil
	}}, f.http.URL)
	p.online(t)
	welcomes := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.hellos)
	}
	asks := func(more int64) {
		until := asked.Load() + more
		eventually(t, func() error {
			if asked.Load() < until {
				return errors.New("the source is not asked any more")
			}
			return nil
		})
	}
	eventually(t, func() error {
		if welcomes() < 2 {
			return errors.New("not renewed")
		}
		return nil
	})
	asks(50) // what was told before the client read that is answered
	before := refused.Load()
	asks(20)
	require.Equal(t, before, refused.Load(), "once welcome, a token is not told again")
}

func TestClient_new_epoch(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	for i := range 9 {
		f.post(room, "bob", fmt.Sprint(i))
	}
	store := NewFileStore(filepath.Join(t.TempDir(), "positions.json"))
	p := start(t, "alice", Options{History: Everything, Store: store}, f.http.URL)
	p.has(t, room, 1, 10)

	f.mu.Lock() // the log comes back without its last five events
	f.epoch = "e2"
	f.convs[room].events = f.convs[room].events[:5]
	f.before = func(s *fakeSocket, kind string, frame map[string]any) bool {
		return kind == "send" && f.epoch == "e1" // keeps unsent sends unsent
	}
	clear(f.acked)
	f.mu.Unlock()
	f.hangUp(4004)
	p.has(t, room, 1, 5)
	eventually(t, func() error { return hasReset(p, "e2") })
	p.send(t, Post{ConversationID: room, Content: Text("after")})
	p.has(t, room, 1, 6)

	p.close()
	kept, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, Positions{Epoch: "e2", Seqs: map[ConversationID]int64{room: 6}}, kept)
}

func TestBackoff(t *testing.T) {
	b := backoff{first: 500 * time.Millisecond, most: 20 * time.Second}
	for _, ceiling := range []float64{0.5, 1, 2, 4, 8, 16, 20, 20, 20} {
		least, most := time.Hour, time.Duration(0)
		for range 500 {
			try := b
			d := try.next()
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
