package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// readPaths returns the paths of all reads of a conversation, and of messages 2 and 3.
func readPaths(id domain.ConversationID, message domain.Event) (paths []string) {
	base := "/v1/conversations/" + id.String()
	at := url.QueryEscape(message.At.Format("2006-01-02T15:04:05.999999Z07:00"))
	for _, path := range []string{
		"", "/members", "/receipts", "/preferences", "/pins", "/pins?limit=1",
		"/events", "/events?after_seq=0", "/events?after_seq=1&limit=1", "/events?before_seq=4", "/events?before_seq=1000",
		"/messages", "/messages?after_seq=0", "/messages?before_seq=4", "/messages?around_seq=2", "/messages?around_at=" + at,
		"/messages?seq=2&seq=3", "/messages?as_of_seq=3", "/messages?as_of=" + at, "/messages?as_of_seq=3&around_seq=2",
		"/messages/2", "/messages/3", "/messages/2/reactions", "/messages/3/reactions",
	} {
		paths = append(paths, base+path)
	}
	return append(paths, "/v1/conversations", "/v1/conversations?limit=1", "/v1/sync", "/v1/sync?timeline_limit=50",
		"/v1/sync?timeline_limit=50&device_id=phone")
}

// placesOf returns the paths of the answers, and the frames, that contain a text. It makes
// every read on every node, and checks all frames that the sockets of the user have
// received.
func placesOf(t *testing.T, nodes []*testNode, user domain.UserID, paths []string, sockets []*socket, id domain.ConversationID, text string) (where []string) {
	t.Helper()
	for _, s := range sockets {
		for _, fields := range []map[string]any{
			{"type": "sync"},
			{"type": "sync", "timeline_limit": 50},
			{"type": "pull", "conversation_id": id, "after_seq": 0},
			{"type": "pull", "conversation_id": id, "before_seq": 4},
			{"type": "pull", "conversation_id": id, "before_seq": 1000},
			{"type": "read", "conversation_id": id, "seq": 3},
		} {
			s.request(fields)
		}
		s.mu.Lock()
		for _, f := range s.frames {
			if strings.Contains(string(f.raw), text) {
				where = append(where, string(f.raw))
			}
		}
		s.mu.Unlock()
	}
	for _, n := range nodes {
		for _, path := range paths {
			if _, body := n.call(user, "GET", path, nil); strings.Contains(string(body), text) {
				where = append(where, path)
			}
		}
	}
	return where
}

// TestSinceJoinHidesOlderMessages: with history since_join, no call and no frame shows a
// member a message from before the joining, even if it is changed afterwards.
func TestSinceJoinHidesOlderMessages(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].create("alice", map[string]any{
		"kind": "group", "members": []string{"bob"}, "settings": map[string]any{"history": "since_join"},
	})
	path := "/v1/conversations/" + id.String()
	alice, bob := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "bob", "phone")
	online := connect(t, nodes[1].URL, "carol", "phone")
	require.EqualValues(t, 2, alice.post(id, "a", "confidential").Seq)
	require.EqualValues(t, 3, bob.post(id, "b", "confidential too").Seq)
	nodes[0].change("bob", "PUT", messagePath(id, 2)+"/reactions/x", nil)
	nodes[0].change("alice", "PUT", messagePath(id, 3)+"/pin", nil)
	before := bob.waitEvent(id, 5)[1]

	nodes[0].add("alice", id, "carol") // 6
	requireNewConversation(t, online, id, 6)
	sockets := []*socket{online, connect(t, nodes[0].URL, "carol", "laptop")}
	view := func() domain.ConversationView {
		views, _ := online.sync("", 10)
		return views[id]
	}
	require.Nil(t, view().LastMessage)
	require.EqualValues(t, 6, view().FloorSeq)
	require.Zero(t, view().UnreadCount)

	edited := nodes[1].change("alice", "PATCH", messagePath(id, 2), map[string]any{"content": text("confidential still"), "mentions": []string{"carol"}}) // 7
	nodes[0].change("bob", "PATCH", messagePath(id, 3), map[string]any{"content": text("confidential again")})                                            // 8
	nodes[0].change("bob", "PUT", messagePath(id, 3)+"/reactions/y", nil)                                                                                 // 9
	nodes[1].change("alice", "PUT", messagePath(id, 2)+"/pin", nil)                                                                                       // 10
	status, body := nodes[0].call("bob", "POST", path+"/messages", map[string]any{"client_msg_id": "r", "content": text("a reply"), "reply_to": 2})       // 11
	require.Equal(t, http.StatusCreated, status, "%s", body)
	nodes[1].change("alice", "PATCH", messagePath(id, 2), map[string]any{"content": text("confidential for ever")}) // 12
	paths := readPaths(id, before)
	for _, s := range sockets {
		events := s.waitEvent(id, 12)
		requireDense(t, events, events[0].Seq)
		at := slices.IndexFunc(events, func(e domain.Event) bool { return e.Seq == edited.Seq })
		require.JSONEq(t, `{"target_seq":2}`, string(events[at].Body))
	}
	require.Empty(t, placesOf(t, nodes, "carol", paths, sockets, id, "confidential"))
	require.NotEmpty(t, placesOf(t, nodes, "bob", paths, []*socket{bob}, id, "confidential"), "an older member reads it")
	events := bob.waitEvent(id, 12)
	require.Contains(t, string(events[len(events)-1].Body), "confidential for ever", "an older member gets the whole event")
	v := view()
	require.EqualValues(t, 11, v.LastMessage.Seq)
	require.Equal(t, []int64{1, 0}, []int64{v.UnreadCount, v.MentionCount}, "only the reply counts; a mention in a hidden message does not")

	for i, call := range []restCall{
		{"GET", messagePath(id, 2), nil},
		{"PATCH", messagePath(id, 2), map[string]any{"content": text("x")}},
		{"DELETE", messagePath(id, 2), nil},
		{"PUT", messagePath(id, 2) + "/reactions/x", nil},
		{"DELETE", messagePath(id, 2) + "/reactions/x", nil},
		{"PUT", messagePath(id, 2) + "/pin", nil},
		{"DELETE", messagePath(id, 2) + "/pin", nil},
		{"GET", messagePath(id, 2) + "/reactions", nil},
	} {
		status, body := nodes[i%2].call("carol", call.method, call.path, call.body)
		require.Equal(t, http.StatusNotFound, status, "%s: %s", call.name(), body)
	}
	refused := decode[sent](t, online.request(map[string]any{
		"type": "send", "conversation_id": id, "client_msg_id": "c", "content": text("reply"), "reply_to": 2,
	}).raw)
	require.Equal(t, domain.CodeInvalid, refused.Code)

	nodes[0].change("bob", "DELETE", messagePath(id, 3)+"?reason=oops", nil)                              // 13
	nodes[1].change("alice", "PATCH", path, map[string]any{"settings": map[string]any{"history": "all"}}) // 14
	nodes[0].change("alice", "PATCH", messagePath(id, 2), map[string]any{"content": text("visible now")}) // 15
	for _, s := range sockets {
		events := s.waitEvent(id, 15)
		require.Contains(t, string(events[len(events)-1].Body), "visible now", "events after the change of the setting are complete")
	}
	require.EqualValues(t, 1, view().FloorSeq)
	require.NotEmpty(t, placesOf(t, nodes, "carol", paths, sockets, id, "confidential"), "older messages are visible too")
}

// TestOpenGroup: a user who knows the id of an open group sees its title and number of
// members, and may join. For all other calls, and while it is not open, the group seems
// not to exist.
func TestOpenGroup(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].create("alice", map[string]any{"kind": "group", "members": []string{"bob"}, "title": "open to all", "metadata": map[string]any{"a": "private"}})
	require.EqualValues(t, 2, connect(t, nodes[0].URL, "alice", "phone").post(id, "c", "private").Seq)
	nodes[0].change("alice", "PATCH", "/v1/conversations/"+id.String(), map[string]any{"settings": map[string]any{"joining": "open"}})
	eve := connect(t, nodes[1].URL, "eve", "phone")
	join := restCall{"PUT", "/v1/conversations/{id}/members/eve", map[string]any{"role": "member"}}
	for _, call := range conversationCalls {
		if call.name() == join.name() {
			continue
		}
		status, body := nodes[1].call("eve", call.method, call.pathFor(id.String()), call.body)
		if call.name() == "GET /v1/conversations/{id}" {
			require.Equal(t, http.StatusOK, status)
			require.JSONEq(t, fmt.Sprintf(`{"conversation_id":%q,"title":"open to all","avatar_url":null,"member_count":2}`, id), string(body))
			continue
		}
		require.Equal(t, http.StatusNotFound, status, "%s: %s", call.name(), body)
	}
	for _, fields := range conversationFrames {
		eve.refusalOf(fields, id.String())
	}
	for _, role := range []string{"owner", "admin"} {
		status, _ := nodes[1].call("eve", "PUT", memberPath(id, "eve"), map[string]any{"role": role})
		require.Equal(t, http.StatusForbidden, status)
	}
	nodes[1].mustCall(http.StatusCreated, userToken(t, "eve"), "PUT", join.pathFor(id.String()), join.body)
	requireNewConversation(t, eve, id, 4)
	require.Equal(t, domain.MemberAdded, eve.waitEvent(id, 4)[0].Type)
	require.EqualValues(t, 5, eve.post(id, "c", "joined").Seq)

	nodes[0].change("alice", "PATCH", "/v1/conversations/"+id.String(), map[string]any{"settings": map[string]any{"joining": "invite"}})
	for _, call := range []restCall{{"GET", "/v1/conversations/{id}", nil}, {"PUT", "/v1/conversations/{id}/members/frank", join.body}} {
		status, _ := nodes[1].call("frank", call.method, call.pathFor(id.String()), call.body)
		require.Equal(t, http.StatusNotFound, status)
	}
}

// TestRemovalIsLastEvent: every device of a removed member, on any node, gets the removal
// as the last event of the conversation.
func TestRemovalIsLastEvent(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob")
	alice := connect(t, nodes[0].URL, "alice", "phone")
	devices := []*socket{connect(t, nodes[0].URL, "bob", "phone"), connect(t, nodes[1].URL, "bob", "laptop")}
	require.Empty(t, alice.post(id, "1", "x").Code)
	nodes[1].remove("alice", id, "bob") // 3
	other := nodes[1].group("alice", "bob")
	for i := range 5 {
		require.Empty(t, alice.post(id, fmt.Sprint("after ", i), "y").Code)
	}
	nodes[0].change("alice", "PATCH", "/v1/conversations/"+id.String(), map[string]any{"title": "without bob"})
	alice.waitEvent(id, 9)
	require.Empty(t, alice.post(other, "2", "z").Code)
	for _, s := range devices {
		s.waitEvent(other, 2) // later events would have arrived by then
		events := s.pushed(id)
		require.Len(t, events, 2)
		require.Equal(t, domain.MemberRemoved, events[1].Type)
		require.NotContains(t, s.summary(), "without bob")
	}
}

// TestReceiptsOff: after receipts are switched off, they are neither pushed on any node
// nor listed.
func TestReceiptsOff(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	without, with := nodes[0].group("alice", "bob"), nodes[0].group("alice", "bob")
	alice, bob := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "bob", "phone")
	for _, id := range []domain.ConversationID{without, with} {
		require.Empty(t, alice.post(id, "c", "x").Code)
	}
	nodes[0].change("alice", "PATCH", "/v1/conversations/"+without.String(), map[string]any{"settings": map[string]any{"receipts": false}})
	for _, id := range []domain.ConversationID{without, with} {
		bob.waitEvent(id, 2)
		bob.write(map[string]any{"type": "ack", "acks": map[string]int64{id.String(): 2}})
		require.Equal(t, "read_state", bob.request(map[string]any{"type": "read", "conversation_id": id, "seq": 2}).Type)
	}
	alice.wait("the read receipt of bob", func(f frame) bool {
		return f.Type == "receipt" && strings.Contains(string(f.raw), `"read_seq":2`) && strings.Contains(string(f.raw), with.String())
	})
	for _, s := range []*socket{alice, bob} {
		_, err := s.await(func(f frame) bool { return f.Type == "receipt" && strings.Contains(string(f.raw), without.String()) }, 0)
		require.Error(t, err, "no receipt is pushed")
	}
	for id, want := range map[domain.ConversationID]int{without: 1, with: 2} {
		body := nodes[1].mustCall(http.StatusOK, userToken(t, "alice"), "GET", "/v1/conversations/"+id.String()+"/receipts", nil)
		require.Len(t, decode[domain.Page[domain.MemberReceipt]](t, body).Items, want)
		body = nodes[1].mustCall(http.StatusOK, serverToken(t), "GET", "/v1/conversations/"+id.String()+"/receipts", nil)
		require.Len(t, decode[domain.Page[domain.MemberReceipt]](t, body).Items, 2, "backends see all receipts")
	}
}
