package e2e

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im"
	"im/domain"
	"im/test/frametest"
)

// asyncAPI reads asyncapi.yaml once. Each frame that a socket receives is checked against
// it.
var asyncAPI = sync.OnceValues(func() (*frametest.Protocol, error) { return frametest.Read(im.AsyncAPI()) })

func protocol(t testing.TB) *frametest.Protocol {
	t.Helper()
	p, err := asyncAPI()
	require.NoError(t, err)
	return p
}

// TestEveryFrameIsServed: a node sends each message of asyncapi.yaml, except gap, which
// needs a reader that is too slow.
func TestEveryFrameIsServed(t *testing.T) {
	c, _ := newFileCluster(t)
	n := c.node("one")
	alice, bob := connect(t, n.URL, "alice", "phone"), connect(t, n.URL, "bob", "phone")
	id := n.create("alice", map[string]any{"kind": "group", "members": []domain.UserID{"bob"}, "title": "<Release>", "metadata": map[string]any{"a": 1}})
	status, body := n.call("alice", "PATCH", "/v1/conversations/"+id.String(), map[string]any{"title": nil, "settings": map[string]any{"posting": "admins"}})
	require.Equal(t, 200, status, "%s", body)
	n.add("alice", id, "carol")
	status, body = n.call("alice", "PUT", memberPath(id, "bob"), map[string]any{"role": "admin"})
	require.Equal(t, 200, status, "%s", body)
	n.remove("alice", id, "carol")

	for i, content := range []map[string]any{
		text("x"),
		{"type": "image", "url": "u", "text": "t", "name": "n", "size": 1, "mime": "image/png", "width": 2, "height": 3, "preview": "p"},
		fileContent(n.uploaded("alice", "a", "image/png", png)),
		{"type": "audio", "url": "u", "duration_ms": 4},
		{"type": "video", "url": "u"},
		{"type": "custom", "biz_type": "order", "data": []any{nil}},
	} {
		request := map[string]any{
			"type": "send", "conversation_id": id, "client_msg_id": fmt.Sprint("c-", i), "content": content,
			"mentions": []string{"bob", "*"}, "metadata": map[string]any{},
		}
		if i > 0 {
			request["reply_to"] = 6
		}
		answer := alice.request(request)
		require.Equal(t, "sent", answer.Type, "%s", answer.raw)
	}
	bob.waitEvent(id, 11)
	message := "/v1/conversations/" + id.String() + "/messages/6"
	for _, change := range []struct {
		method, path string
		body         any
	}{
		{"PATCH", message, map[string]any{"content": text("y")}},
		{"PUT", message + "/reactions/x", nil},
		{"DELETE", message + "/reactions/x", nil},
		{"PUT", message + "/pin", nil},
		{"DELETE", message + "/pin", nil},
		{"DELETE", message, nil},
		{"PUT", "/v1/conversations/" + id.String() + "/bans/carol", map[string]any{"reason": "r"}},
		{"DELETE", "/v1/conversations/" + id.String() + "/bans/carol", nil},
		{"PUT", "/v1/conversations/" + id.String() + "/mutes/bob", map[string]any{}},
		{"DELETE", "/v1/conversations/" + id.String() + "/mutes/bob", nil},
	} {
		status, body := n.call("alice", change.method, change.path, change.body)
		require.Equal(t, 200, status, "%s %s: %s", change.method, change.path, body)
	}
	bob.waitEvent(id, 21)
	for _, request := range []map[string]any{
		{"type": "sync", "timeline_limit": 50},
		{"type": "pull", "conversation_id": id, "after_seq": 0},
		{"type": "read", "conversation_id": id, "seq": 8},
		{"type": "sync", "limit": 1},
		{"type": "ping"},
		{"type": "pull"},
	} {
		bob.request(request)
	}
	n.mustCall(200, serverToken(t), "POST", "/v1/users/bob/notices", map[string]any{"biz_type": "order", "data": nil})
	bob.next("notice")
	bob.write(map[string]any{"type": "watch", "user_ids": []string{"alice"}})
	bob.next("presence")
	alice.write(map[string]any{"type": "typing", "conversation_id": id})
	bob.next("typing")
	alice.next("receipt")
	n.Signal(syscall.SIGTERM)
	bob.next("drain")
	bob.closed()

	p := protocol(t)
	unseen := p.ServerMessages()
	for _, s := range []*socket{alice, bob} {
		s.mu.Lock()
		for _, f := range s.frames {
			name, _ := p.FromServer(f.raw) // the socket has checked the frame
			unseen = slices.DeleteFunc(unseen, func(n string) bool { return n == name })
		}
		s.mu.Unlock()
	}
	require.Equal(t, []string{"gap"}, unseen)
}
