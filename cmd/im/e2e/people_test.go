package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/token"
)

// grantToken signs a token with more in it than a user.
func grantToken(t testing.TB, user domain.UserID, g token.Grant) string {
	t.Helper()
	g.TTL = time.Hour
	raw, err := token.Sign(secret, user, g)
	require.NoError(t, err)
	return raw
}

func serverToken(t testing.TB) string { return grantToken(t, "backend", token.Grant{Server: true}) }

// want makes a call with a token and asserts its status.
func (n *testNode) want(status int, bearer, method, path string, body any) []byte {
	n.t.Helper()
	got, answer := n.callWith(bearer, method, path, body)
	require.Equal(n.t, status, got, "%s %s: %s", method, path, answer)
	return answer
}

type usersAnswer struct {
	Users map[domain.UserID]domain.UserProfile `json:"users"`
}

// TestProfiles: what tokens and backends say of users stands beside pages, on
// every node.
func TestProfiles(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob", "carol")
	bob := dial(t, nodes[0].url, nil)
	bob.write(map[string]any{"type": "hello", "device_id": "phone", "token": grantToken(t, "bob", token.Grant{Name: "Bob", Picture: "https://example.org/b.png"})})
	bob.next("welcome")
	require.Empty(t, bob.post(id, "c-1", "x").Code)
	nodes[1].want(200, grantToken(t, "carol", token.Grant{Name: "Carol"}), "GET", "/v1/sync", nil)
	nodes[1].want(200, serverToken(t), "PUT", "/v1/users/alice", map[string]any{"name": "Alice", "metadata": map[string]any{"team": 7}})

	alice := connect(t, nodes[1].url, "alice", "phone")
	require.Eventually(t, func() bool { // tokens' profiles are written behind
		found := decode[usersAnswer](t, nodes[1].want(200, userToken(t, "alice"), "GET", "/v1/users?user_id=bob&user_id=carol", nil)).Users
		return len(found) == 2
	}, patience, 10*time.Millisecond)
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
	messages := decode[domain.MessagePage](t, nodes[1].want(200, userToken(t, "alice"), "GET", "/v1/conversations/"+id.String()+"/messages", nil))
	require.Len(t, messages.Users, 1)
	eve := nodes[0].want(200, userToken(t, "eve"), "GET", "/v1/users?user_id=alice&user_id=bob&user_id=carol", nil)
	require.JSONEq(t, `{"users":{}}`, string(eve), "strangers see nobody (I8)")
	nodes[0].want(403, userToken(t, "eve"), "PUT", "/v1/users/bob", map[string]any{"name": "Mallory"})
}

// TestPreferencesAreSeenLive: a change is told to the user's sessions on every
// node, and to nobody else's; an archived conversation comes back.
func TestPreferencesAreSeenLive(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob")
	phone, laptop := connect(t, nodes[0].url, "alice", "phone"), connect(t, nodes[1].url, "alice", "laptop")
	bob := connect(t, nodes[1].url, "bob", "phone")
	path := "/v1/conversations/" + id.String() + "/preferences"
	nodes[0].want(200, userToken(t, "alice"), "PATCH", path, map[string]any{"archived": true, "notify": "none"})
	want := domain.Preferences{Notify: "none", Archived: true}
	for _, s := range []*socket{phone, laptop} {
		var told struct{ Conversation domain.ConversationView }
		s.next("conversation").into(t, &told)
		require.Equal(t, id, told.Conversation.ConversationID)
		require.Equal(t, want, told.Conversation.Preferences)
	}
	require.Empty(t, bob.post(id, "c-1", "x").Code)
	want.Archived = false
	got := nodes[1].want(200, userToken(t, "alice"), "GET", path, nil)
	require.Equal(t, want, decode[domain.Preferences](t, got))
	bob.until(id, 2)
	_, err := bob.await(func(f frame) bool { return f.Type == "conversation" }, time.Millisecond)
	require.Error(t, err, "preferences are one's own")
}
