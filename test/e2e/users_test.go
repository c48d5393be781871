package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/test/eventually"
)

// grantToken signs a token of a user with further claims.
func grantToken(t testing.TB, user domain.UserID, g auth.Grant) string {
	t.Helper()
	g.TTL = time.Hour
	raw, err := auth.Sign(secret, user, g)
	require.NoError(t, err)
	return raw
}

func serverToken(t testing.TB) string { return grantToken(t, "backend", auth.Grant{Server: true}) }

// mustCall makes a call with a token, asserts the status, and returns the body.
func (n *testNode) mustCall(status int, bearer, method, path string, body any) []byte {
	n.t.Helper()
	got, answer := n.callWith(bearer, method, path, body)
	require.Equal(n.t, status, got, "%s %s: %s", method, path, answer)
	return answer
}

type usersAnswer struct {
	Users map[domain.UserID]domain.UserProfile `json:"users"`
}

// TestProfiles: profiles that tokens and backends set are part of pages, on every node.
func TestProfiles(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob", "carol")
	bob := dial(t, nodes[0].URL, nil)
	bob.write(map[string]any{"type": "hello", "device_id": "phone", "token": grantToken(t, "bob", auth.Grant{Name: "Bob", Picture: "https://example.org/b.png"})})
	bob.next("welcome")
	require.Empty(t, bob.post(id, "c-1", "x").Code)
	nodes[1].mustCall(200, grantToken(t, "carol", auth.Grant{Name: "Carol"}), "GET", "/v1/sync", nil)
	nodes[1].mustCall(200, serverToken(t), "PUT", "/v1/users/alice", map[string]any{"name": "Alice", "metadata": map[string]any{"team": 7}})

	alice := connect(t, nodes[1].URL, "alice", "phone")
	eventually.True(t, "the profiles of the tokens are stored", func() bool { // asynchronously
		found := decode[usersAnswer](t, nodes[1].mustCall(200, userToken(t, "alice"), "GET", "/v1/users?user_id=bob&user_id=carol", nil)).Users
		return len(found) == 2
	})
	for _, request := range []map[string]any{
		{"type": "sync"}, {"type": "pull", "conversation_id": id, "after_seq": 0},
	} {
		var page struct {
			Users map[domain.UserID]domain.Profile
		}
		alice.request(request).into(t, &page)
		require.Equal(t, "Bob", *page.Users["bob"].Name, "%v", request)
		require.Equal(t, "https://example.org/b.png", *page.Users["bob"].AvatarURL)
	}
	messages := decode[domain.MessagePage](t, nodes[1].mustCall(200, userToken(t, "alice"), "GET", "/v1/conversations/"+id.String()+"/messages", nil))
	require.Len(t, messages.Users, 1)
	eve := nodes[0].mustCall(200, userToken(t, "eve"), "GET", "/v1/users?user_id=alice&user_id=bob&user_id=carol", nil)
	require.JSONEq(t, `{"users":{}}`, string(eve), "strangers see no profile (I8)")
	nodes[0].mustCall(403, userToken(t, "eve"), "PUT", "/v1/users/bob", map[string]any{"name": "Mallory"})
}

// TestPreferencesArePushed: a change is pushed to all sessions of the user, on every node,
// and to no other user. A new message unarchives a conversation.
func TestPreferencesArePushed(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob")
	phone, laptop := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "alice", "laptop")
	bob := connect(t, nodes[1].URL, "bob", "phone")
	path := "/v1/conversations/" + id.String() + "/preferences"
	nodes[0].mustCall(200, userToken(t, "alice"), "PATCH", path, map[string]any{"archived": true, "notify": "none"})
	want := domain.Preferences{Notify: "none", Archived: true}
	for _, s := range []*socket{phone, laptop} {
		var pushed struct{ Conversation domain.ConversationView }
		s.next("conversation").into(t, &pushed)
		require.Equal(t, id, pushed.Conversation.ConversationID)
		require.Equal(t, want, pushed.Conversation.Preferences)
	}
	require.Empty(t, bob.post(id, "c-1", "x").Code)
	want.Archived = false
	got := nodes[1].mustCall(200, userToken(t, "alice"), "GET", path, nil)
	require.Equal(t, want, decode[domain.Preferences](t, got))
	bob.waitEvent(id, 2)
	require.Equal(t, "pong", bob.request(map[string]any{"type": "ping"}).Type)
	_, err := bob.await(func(f frame) bool { return f.Type == "conversation" }, time.Millisecond)
	require.Error(t, err, "preferences are pushed to their user only")
}

// hello opens a socket and sends a hello frame with a token.
func hello(t testing.TB, url, bearer, device string) *socket {
	t.Helper()
	s := dial(t, url, nil)
	s.write(map[string]any{"type": "hello", "device_id": device, "token": bearer})
	return s
}

type sessionList struct{ Items []domain.LiveSession }

// TestSessionsEnd: a user lists and ends own sessions on any node, and a backend ends all
// sessions of a user. The token stays valid.
func TestSessionsEnd(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	phone, laptop := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "alice", "laptop")
	tablet := connect(t, nodes[1].URL, "alice", "tablet")
	bob := connect(t, nodes[1].URL, "bob", "phone")
	alice := grantToken(t, "alice", auth.Grant{Device: "phone"})
	list := decode[sessionList](t, nodes[0].mustCall(200, alice, "GET", "/v1/sessions", nil)).Items
	require.Len(t, list, 3)
	byDevice := map[domain.DeviceID]domain.LiveSession{}
	for _, s := range list {
		byDevice[s.DeviceID] = s
		require.WithinDuration(t, time.Now(), s.ConnectedAt.Time, time.Minute)
		require.Equal(t, s.DeviceID == "phone", s.Current)
	}
	require.NotEqual(t, byDevice["phone"].NodeID, byDevice["laptop"].NodeID)

	end := "/v1/sessions/" + string(byDevice["laptop"].SessionID)
	nodes[0].mustCall(404, userToken(t, "bob"), "DELETE", end, nil)
	nodes[0].mustCall(204, alice, "DELETE", end, nil)
	require.Equal(t, 4401, laptop.closed())
	eventually.True(t, "the ended session is not listed", func() bool {
		return len(decode[sessionList](t, nodes[0].mustCall(200, alice, "GET", "/v1/sessions", nil)).Items) == 2
	})
	nodes[0].mustCall(404, alice, "DELETE", end, nil)

	nodes[0].mustCall(204, serverToken(t), "DELETE", "/v1/users/alice/sessions", nil)
	require.Equal(t, 4401, phone.closed())
	require.Equal(t, 4401, tablet.closed())
	require.Equal(t, "pong", bob.request(map[string]any{"type": "ping"}).Type)
	connect(t, nodes[1].URL, "alice", "tablet") // the token is still valid
	nodes[0].mustCall(403, userToken(t, "bob"), "DELETE", "/v1/users/alice/sessions", nil)
}

// TestRevokedTokens: revoked tokens are refused on every node, and newer ones are not.
func TestRevokedTokens(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	old := userToken(t, "alice")
	phone := hello(t, nodes[1].URL, old, "phone")
	phone.next("welcome")
	nodes[1].mustCall(200, old, "GET", "/v1/sync", nil)

	nodes[0].mustCall(204, serverToken(t), "DELETE", "/v1/users/alice/sessions?revoke=true", nil)
	require.Equal(t, 4401, phone.closed())
	for _, n := range nodes {
		require.Equal(t, 4400, hello(t, n.URL, old, "phone").closed())
		eventually.True(t, "the old token is refused", func() bool {
			status, _ := n.callWith(old, "GET", "/v1/sync", nil)
			return status == 401
		})
	}
	fresh := userToken(t, "alice")
	nodes[1].mustCall(200, fresh, "GET", "/v1/sync", nil)
	hello(t, nodes[1].URL, fresh, "phone").next("welcome")
	nodes[1].mustCall(200, userToken(t, "bob"), "GET", "/v1/sync", nil)
}

// TestBlocks: once it is answered, a block holds on every node and over both transports.
// It does not affect other users.
func TestBlocks(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].direct("alice", "bob")
	bobs := []*socket{connect(t, nodes[0].URL, "bob", "phone"), connect(t, nodes[1].URL, "bob", "laptop")}
	for i, s := range bobs {
		require.Empty(t, s.post(id, fmt.Sprint("before-", i), "x").Code)
	}
	nodes[0].mustCall(204, userToken(t, "alice"), "PUT", "/v1/blocks/bob", nil)
	for i, s := range bobs {
		require.Equal(t, domain.CodeBlocked, s.post(id, fmt.Sprint("after-", i), "x").Code)
		body := nodes[i].mustCall(403, userToken(t, "bob"), "POST", "/v1/messages",
			map[string]any{"to": "alice", "client_msg_id": "rest", "content": text("x")})
		require.Equal(t, domain.CodeBlocked, decode[sent](t, body).Code)
	}
	nodes[1].mustCall(403, userToken(t, "bob"), "POST", "/v1/messages",
		map[string]any{"to": "alice", "client_msg_id": "rest", "content": text("x")})
	nodes[1].mustCall(201, userToken(t, "alice"), "POST", "/v1/messages",
		map[string]any{"to": "bob", "client_msg_id": "rest", "content": text("x")})
	require.Empty(t, connect(t, nodes[1].URL, "carol", "phone").post(nodes[1].direct("carol", "alice"), "c", "x").Code)

	list := decode[domain.Page[domain.Block]](t, nodes[1].mustCall(200, userToken(t, "alice"), "GET", "/v1/blocks", nil))
	require.Len(t, list.Items, 1)
	require.JSONEq(t, `{"items":[],"next_cursor":null}`, string(nodes[1].mustCall(200, userToken(t, "bob"), "GET", "/v1/blocks", nil)),
		"the blocked user does not see the block")
	nodes[1].mustCall(204, userToken(t, "alice"), "DELETE", "/v1/blocks/bob", nil)
	require.Empty(t, bobs[0].post(id, "free", "x").Code)
}

type statsAnswer struct {
	domain.ClusterStats
	Messages int64 `json:"messages"`
}

// TestNoticesAndStats: a notice of a backend reaches each session of a user once, on any
// node, and statistics count all nodes.
func TestNoticesAndStats(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	server := serverToken(t)
	phone, laptop := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "alice", "laptop")
	bob := connect(t, nodes[1].URL, "bob", "phone")
	require.Empty(t, phone.post(nodes[0].direct("alice", "bob"), "c", "x").Code)

	type notice struct {
		NoticeID string `json:"notice_id"`
		BizType  string `json:"biz_type"`
		Data     struct{ Order int }
		domain.NoticeResult
	}
	send := func(n *testNode, path string) notice {
		return decode[notice](t, n.mustCall(200, server, "POST", path, map[string]any{"biz_type": "order", "data": map[string]int{"order": 7}}))
	}
	own := send(nodes[0], "/v1/users/alice/notices")
	require.Equal(t, domain.NoticeResult{Online: 1, Sessions: 2}, own.NoticeResult)
	all := send(nodes[1], "/v1/notices")
	require.Equal(t, domain.NoticeResult{Online: 2, Sessions: 3}, all.NoticeResult)
	for s, want := range map[*socket][]string{phone: {own.NoticeID, all.NoticeID}, laptop: {own.NoticeID, all.NoticeID}, bob: {all.NoticeID}} {
		var got []string
		for range want {
			var n notice
			s.next("notice").into(t, &n)
			require.Equal(t, "order", n.BizType)
			require.Equal(t, 7, n.Data.Order)
			got = append(got, n.NoticeID)
		}
		require.ElementsMatch(t, want, got)
		require.Equal(t, "pong", s.request(map[string]any{"type": "ping"}).Type)
		_, err := s.await(func(f frame) bool { return f.Type == "notice" }, time.Millisecond)
		require.Error(t, err, "a session gets a notice only once")
	}
	require.Equal(t, domain.NoticeResult{}, send(nodes[0], "/v1/users/unknown/notices").NoticeResult)

	stats := decode[statsAnswer](t, nodes[0].mustCall(200, server, "GET", "/v1/stats", nil))
	require.Equal(t, []int{2, 3, 2}, []int{stats.OnlineUsers, stats.Sessions, len(stats.Nodes)})
	require.EqualValues(t, 1, stats.Messages)
	nodes[0].mustCall(403, userToken(t, "alice"), "GET", "/v1/stats", nil)
	nodes[0].mustCall(403, userToken(t, "alice"), "POST", "/v1/notices", map[string]any{"biz_type": "x", "data": 1})
}

// TestServerConversations: with IM_CONVERSATIONS=server, only backends create
// conversations and add members, also on behalf of users.
func TestServerConversations(t *testing.T) {
	c := newCluster(t, "IM_CONVERSATIONS=server")
	n := c.node("one")
	server := serverToken(t)
	group := map[string]any{"kind": "group", "members": []string{"bob"}}
	toBob := map[string]any{"to": "bob", "client_msg_id": "c", "content": text("x")}
	alice := connect(t, n.URL, "alice", "phone")

	n.mustCall(403, userToken(t, "alice"), "POST", "/v1/conversations", group)
	n.mustCall(403, userToken(t, "alice"), "POST", "/v1/messages", toBob)
	var refused sent
	alice.request(map[string]any{"type": "send", "to": "bob", "client_msg_id": "c", "content": text("x")}).into(t, &refused)
	require.Equal(t, domain.CodeForbidden, refused.Code)

	id := decode[domain.ConversationView](t, n.mustCall(201, server, "POST", "/v1/conversations",
		map[string]any{"kind": "group", "members": []string{"alice", "bob"}})).ConversationID
	n.mustCall(200, server, "PUT", memberPath(id, "alice"), map[string]any{"role": "owner"})
	n.mustCall(403, userToken(t, "alice"), "PUT", memberPath(id, "carol"), map[string]any{"role": "member"})
	n.mustCall(200, userToken(t, "alice"), "PUT", memberPath(id, "bob"), map[string]any{"role": "admin"})
	n.mustCall(201, server, "PUT", memberPath(id, "carol"), map[string]any{"role": "member"})
	require.Empty(t, alice.post(id, "mine", "x").Code)

	n.mustCall(201, server, "POST", "/v1/conversations", map[string]any{"kind": "direct", "members": []string{"alice"}})
	status, body := n.call("alice", "POST", "/v1/conversations", map[string]any{"kind": "direct", "members": []string{"backend"}})
	require.Equal(t, 200, status, "an existing direct conversation is returned: %s", body)
}
