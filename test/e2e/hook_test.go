package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// moderator is an app that decides by the text of a message.
type moderator struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // the texts
	// held holds the calls for texts that begin with "slow" until all of them have come.
	held barrier
}

// barrier holds calls until as many as are missing have come.
type barrier struct {
	missing atomic.Int64
	all     chan struct{}
}

// arrive waits for the other calls, unless the node gives this one up.
func (b *barrier) arrive(r *http.Request) {
	if b.missing.Add(-1) == 0 {
		close(b.all)
	}
	select {
	case <-b.all:
	case <-r.Context().Done():
	}
}

var hookSecret = domain.WebhookSecret([]byte("a key of the tests, 32 bytes long"))

func newModerator(t *testing.T) *moderator {
	m := &moderator{held: barrier{all: make(chan struct{})}}
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	require.NoError(t, err)
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Error(err)
		}
		var call struct {
			Data struct{ Content struct{ Text string } }
		}
		if err := json.Unmarshal(body, &call); err != nil {
			t.Error(err)
		}
		text := call.Data.Content.Text
		m.mu.Lock()
		m.asked = append(m.asked, text)
		m.mu.Unlock()
		switch {
		case strings.HasPrefix(text, "slow"):
			m.held.arrive(r)
			_, _ = io.WriteString(w, `{"action":"accept"}`)
		case strings.HasPrefix(text, "bad"):
			_, _ = io.WriteString(w, `{"action":"reject","reason":"not here"}`)
		case strings.HasPrefix(text, "damn"):
			_, _ = io.WriteString(w, `{"action":"replace","content":{"type":"text","text":"d***"}}`)
		default:
			_, _ = io.WriteString(w, `{"action":"accept"}`)
		}
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *moderator) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

// TestHook: over sockets and REST, on two nodes, messages and edits are accepted, rejected
// and replaced; a repetition is not asked about, and is the same message everywhere.
func TestHook(t *testing.T) {
	m := newModerator(t)
	c := newCluster(t, "IM_HOOK_URL="+m.URL, "IM_HOOK_SECRET="+hookSecret, "IM_HOOK_FAIL=closed", "IM_HOOK_TIMEOUT=5s")
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob")
	messages := "/v1/conversations/" + id.String() + "/messages"
	alice, bob := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "bob", "phone")
	send := func(s *socket, key, words string) frame {
		return s.request(map[string]any{"type": "send", "conversation_id": id, "client_msg_id": key, "content": text(words)})
	}
	var sent struct {
		Seq       int64
		Duplicate bool
		Content   struct{ Text string }
	}
	f := send(alice, "good", "hello")
	f.into(t, &sent)
	good := sent.Seq
	require.Equal(t, "sent", f.Type)
	require.Empty(t, sent.Content.Text)

	var refused struct{ Code, Message, Retry string }
	f = send(alice, "bad", "bad words")
	f.into(t, &refused)
	require.Equal(t, "rejected", refused.Code)
	require.Equal(t, "not here", refused.Message)
	require.Equal(t, "never", refused.Retry)
	status, body := nodes[1].call("alice", "POST", messages, map[string]any{"client_msg_id": "bad", "content": text("bad words")})
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, string(body), `"code":"rejected"`)
	require.Contains(t, string(body), `not here`)

	send(alice, "replaced", "damn it").into(t, &sent)
	require.Equal(t, "d***", sent.Content.Text)
	first := sent.Seq
	events := bob.waitEvent(id, first)
	require.Contains(t, string(events[len(events)-1].Body), "d***")
	before := m.count()
	status, body = nodes[1].call("alice", "POST", messages, map[string]any{"client_msg_id": "replaced", "content": text("damn it")})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, events[len(events)-1], decode[domain.Event](t, body))
	send(alice, "replaced", "damn it").into(t, &sent)
	require.True(t, sent.Duplicate)
	require.Equal(t, first, sent.Seq)
	require.Equal(t, "d***", sent.Content.Text)
	require.Equal(t, before, m.count(), "a repetition is not asked about")

	// Edits, and the messages of backends.
	edited := nodes[1].change("alice", "PATCH", messagePath(id, good), map[string]any{"content": text("damn again")})
	require.Contains(t, string(edited.Body), "d***")
	status, _ = nodes[0].call("alice", "PATCH", messagePath(id, good), map[string]any{"content": text("bad edit")})
	require.Equal(t, http.StatusForbidden, status)
	before = m.count()
	status, _ = nodes[0].callWith(serverToken(t), "POST", messages, map[string]any{"client_msg_id": "b", "content": text("bad, by the backend")})
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, before, m.count())

	// While the endpoint is away, nothing is accepted.
	m.CloseClientConnections()
	m.Close()
	f = send(bob, "late", "hello")
	f.into(t, &refused)
	require.Equal(t, "unavailable", refused.Code)
	status, _ = nodes[0].call("alice", "POST", messages, map[string]any{"client_msg_id": "late", "content": text("hello")})
	require.Equal(t, http.StatusServiceUnavailable, status)
}

// TestHookKeepsTheOrderOfASocket: calls for the sends of a socket are all in flight at the
// same time; the messages are committed in the order of the frames.
func TestHookKeepsTheOrderOfASocket(t *testing.T) {
	m := newModerator(t)
	c := newCluster(t, "IM_HOOK_URL="+m.URL, "IM_HOOK_SECRET="+hookSecret, "IM_HOOK_TIMEOUT=5s", "IM_HOOK_FAIL=open")
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].direct("alice", "bob")
	alice, bob := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "bob", "phone")
	const count = 30
	m.held.missing.Store(count)
	for i := range count {
		f := map[string]any{"type": "send", "conversation_id": id, "client_msg_id": fmt.Sprint(i), "content": text(fmt.Sprint("slow ", i))}
		if i%3 == 1 {
			delete(f, "conversation_id")
			f["to"] = "bob"
		}
		alice.start(f)
	}
	events := bob.waitEvent(id, count+1)
	require.Zero(t, m.held.missing.Load(), "all calls were in flight")
	for i, e := range events[len(events)-count:] {
		require.Equal(t, fmt.Sprint(i), e.ClientMsgID)
	}
}
