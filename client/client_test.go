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
)

func TestClient_live(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	alice := start(t, "alice", Options{}, f.http.URL)
	bob := start(t, "bob", Options{History: Everything}, f.http.URL)
	alice.online(t)
	bob.online(t)

	sent := alice.send(t, Post{ConversationID: room, Content: Text("hello")})
	require.EqualValues(t, 2, sent.Seq)
	require.False(t, sent.Duplicate)
	alice.has(t, room, 2, 2) // a new device without history begins with what is new
	bob.has(t, room, 1, 2)
	require.Equal(t, []string{"hello"}, texts(bob.got(room)))

	again := alice.send(t, Post{ConversationID: room, Content: Text("hello"), ClientMsgID: sent.ClientMsgID})
	require.True(t, again.Duplicate)
	require.Equal(t, sent.Seq, again.Seq)
}

func TestClient_history_of_a_new_device(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	for i := range 99 {
		f.post(room, "bob", fmt.Sprint(i))
	}
	f.before = func(_ *fakeSocket, kind string, _ map[string]any) bool { return kind == "ack" } // each is another device
	for _, c := range []struct{ history, first int }{{10, 91}, {80, 21}, {Everything, 1}, {500, 1}} {
		p := start(t, "alice", Options{History: c.history}, f.http.URL)
		p.has(t, room, int64(c.first), 100)
		p.close()
	}
}

func TestClient_new_conversation(t *testing.T) {
	t.Run("while connected", func(t *testing.T) {
		f := newFake(t)
		p := start(t, "alice", Options{}, f.http.URL)
		p.online(t)
		room := f.conversation("bob", "alice")
		f.post(room, "bob", "first")
		p.has(t, room, 1, 2)
		require.Len(t, p.Conversations(), 1)
	})
	t.Run("while away", func(t *testing.T) {
		f := newFake(t)
		p := start(t, "alice", Options{}, f.http.URL)
		p.online(t)
		f.mu.Lock()
		f.upgrade = func() int { return http.StatusServiceUnavailable }
		f.mu.Unlock()
		f.hangUp(1012)
		room := f.conversation("bob", "alice")
		f.post(room, "bob", "first")
		f.mu.Lock()
		f.upgrade = nil
		f.mu.Unlock()
		p.has(t, room, 1, 2)
	})
	t.Run("pushed before it was shown", func(t *testing.T) {
		f := newFake(t)
		p := start(t, "alice", Options{}, f.http.URL)
		p.online(t)
		f.mu.Lock()
		for s := range f.sockets { // its conversation frame is lost on the way
			s.user = "nobody"
		}
		room := f.make("bob", "alice")
		for s := range f.sockets {
			s.user = "alice"
		}
		f.mu.Unlock()
		f.post(room, "bob", "first")
		p.has(t, room, 1, 2)
	})
}

func TestClient_removed_and_back(t *testing.T) {
	f := newFake(t)
	room := f.conversation("bob", "alice", "carol")
	p := start(t, "alice", Options{History: Everything}, f.http.URL)
	p.has(t, room, 1, 1)
	f.remove(room, "alice")
	p.has(t, room, 1, 2)
	eventually(t, func() error {
		if len(p.Conversations()) != 0 {
			return errors.New("still listed")
		}
		return nil
	})
	f.post(room, "bob", "behind her back")
	require.Empty(t, p.Conversations())

	f.mu.Lock()
	f.convs[room].members = []UserID{"bob", "carol", "alice"}
	f.append(room, Event{Type: domain.MemberAdded, Sender: "bob", Body: encode(domain.MemberRole{UserID: "alice"})})
	f.mu.Unlock()
	p.has(t, room, 1, 4) // history is open to members, so the hole is filled; nothing comes twice
}

func TestClient_sends_survive(t *testing.T) {
	silence := func(*fakeSocket, map[string]any) {}
	faults := map[string]func(s *fakeSocket, frame map[string]any){
		"no answer, then a cut": func(s *fakeSocket, _ map[string]any) { s.close(0) },
		"committed, then a cut": func(s *fakeSocket, frame map[string]any) {
			s.commit(frame)
			s.close(0)
		},
		"unavailable, not committed": func(s *fakeSocket, frame map[string]any) {
			s.refuse(frame["id"].(string), domain.CodeUnavailable, domain.RetryAgain)
		},
		"unavailable, yet committed": func(s *fakeSocket, frame map[string]any) {
			s.commit(frame)
			s.refuse(frame["id"].(string), domain.CodeUnavailable, domain.RetryAgain)
		},
		"too many": func(s *fakeSocket, frame map[string]any) {
			s.queue(map[string]any{
				"type": "error", "id": frame["id"], "code": "rate_limited", "message": "", "retry": "after", "retry_after_ms": 5,
			})
		},
		"answered by the event alone": func(s *fakeSocket, frame map[string]any) { s.commit(frame); silence(s, frame) },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			room := f.conversation("alice", "bob")
			faulty := 3 // sends, then all is well
			f.before = func(s *fakeSocket, kind string, frame map[string]any) bool {
				if kind != "send" || faulty == 0 {
					return false
				}
				faulty--
				fault(s, frame)
				return true
			}
			p := start(t, "alice", Options{}, f.http.URL)
			p.online(t)
			for i := range 5 {
				sent := p.send(t, Post{To: "bob", Content: Text(fmt.Sprint(i))})
				require.EqualValues(t, i+2, sent.Seq)
			}
			p.has(t, room, 2, 6)
			require.Equal(t, []string{"0", "1", "2", "3", "4"}, texts(p.got(room)))
		})
	}
}

func TestClient_refused_send(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	f.before = func(s *fakeSocket, kind string, frame map[string]any) bool {
		if kind == "send" {
			s.refuse(frame["id"].(string), domain.CodeForbidden, domain.RetryNever)
		}
		return kind == "send"
	}
	p := start(t, "alice", Options{}, f.http.URL)
	p.online(t)
	_, err := p.Send(t.Context(), Post{ConversationID: room, Content: Text("no")})
	require.ErrorIs(t, err, domain.ErrForbidden)
	_, err = p.Send(t.Context(), Post{ConversationID: room, Content: []byte("{")})
	require.ErrorIs(t, err, domain.ErrInvalid)

	p.close()
	_, err = p.Send(t.Context(), Post{ConversationID: room, Content: Text("late")})
	require.ErrorIs(t, err, ErrClosed)
}

func TestClient_send_given_up(t *testing.T) {
	f := newFake(t)
	f.upgrade = func() int { return http.StatusBadGateway }
	p := start(t, "alice", Options{}, f.http.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := p.Send(ctx, Post{To: "bob", Content: Text("x")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, p.engine.outbox.calls)
}

func TestClient_restart(t *testing.T) {
	f := newFake(t)
	room, quiet := f.conversation("alice", "bob"), f.conversation("alice", "carol")
	f.post(quiet, "carol", "old")
	path := filepath.Join(t.TempDir(), "positions.json")
	options := func() Options { return Options{Device: "d", Store: NewFileStore(path)} }

	p := start(t, "alice", options(), f.http.URL)
	p.online(t)
	f.post(room, "bob", "1")
	p.has(t, room, 2, 2)
	p.close()

	for i := range 700 { // more than a page
		f.post(room, "bob", fmt.Sprint(i))
	}
	f.post(quiet, "carol", "new")
	f.mu.Lock()
	clear(f.acked) // the store alone knows
	f.mu.Unlock()
	p = start(t, "alice", options(), f.http.URL)
	p.has(t, room, 3, 702)
	p.has(t, quiet, 3, 3)
}

func TestClient_acknowledges_what_was_handled(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	failure := errors.New("disk full")
	p := start(t, "alice", Options{Device: "d", OnEvent: func(_ context.Context, e Event) error {
		if e.Seq == 4 {
			return failure
		}
		return nil
	}}, f.http.URL)
	p.online(t)
	for i := range 4 {
		f.post(room, "bob", fmt.Sprint(i))
	}
	<-p.done
	require.ErrorIs(t, p.err, failure)
	eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.acked[acker{"alice", room}] != 3 {
			return fmt.Errorf("acknowledged %d", f.acked[acker{"alice", room}])
		}
		return nil
	})
	p = start(t, "alice", Options{Device: "d"}, f.http.URL) // memory lost: the device's acknowledgements help
	p.has(t, room, 4, 5)
}

func TestClient_slow_callback(t *testing.T) {
	f := newFake(t)
	room := f.conversation("alice", "bob")
	release := make(chan struct{})
	p := start(t, "alice", Options{OnEvent: func(ctx context.Context, _ Event) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, f.http.URL)
	p.online(t)
	big := fmt.Sprintf("%030000d", 7)
	const n = 400 // 12 MB, three times what is held
	for range n {
		f.mu.Lock()
		f.append(room, posting("bob", "big", big))
		f.mu.Unlock()
	}
	eventually(t, func() error {
		p.Client.mu.Lock()
		defer p.Client.mu.Unlock()
		s := p.engine.streams[room]
		if s == nil || s.head != n+1 {
			return errors.New("not all pushed yet")
		}
		if p.engine.inbox.bytes > maxHeld+1<<20 {
			return fmt.Errorf("holds %d bytes", p.engine.inbox.bytes)
		}
		return nil
	})
	// Neither the connection nor sends wait for the callback.
	p.send(t, Post{ConversationID: room, Content: Text("still here")})
	close(release)
	p.has(t, room, 2, n+2)
}

func TestClient_conversations(t *testing.T) {
	f := newFake(t)
	first, second := f.conversation("alice", "bob"), f.conversation("alice", "carol")
	p := start(t, "alice", Options{}, f.http.URL)
	p.online(t)
	f.post(second, "carol", "a")
	f.post(first, "bob", "b")
	f.post(first, "bob", "c")
	p.has(t, first, 2, 3)
	p.has(t, second, 2, 2)
	list := p.Conversations()
	require.Equal(t, []ConversationID{first, second}, []ConversationID{list[0].ConversationID, list[1].ConversationID})
	require.EqualValues(t, 2, list[0].UnreadCount)
	require.Equal(t, "c", TextOf(list[0].LastMessage.Content))

	state, err := p.Read(t.Context(), first, 2)
	require.NoError(t, err)
	require.EqualValues(t, 1, state.UnreadCount)
	v, ok := p.Conversation(first)
	require.True(t, ok)
	require.EqualValues(t, 1, v.UnreadCount)

	p.send(t, Post{ConversationID: first, Content: Text("mine")})
	p.has(t, first, 2, 4)
	v, _ = p.Conversation(first)
	require.Zero(t, v.UnreadCount, "sending reads")
}

func TestNew_options(t *testing.T) {
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
