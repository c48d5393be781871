package e2e

import (
	"net/http"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/test/eventually"
)

// TestTypingOnAnotherNode: members on every node see that a user types, until it expires.
// Others do not.
func TestTypingOnAnotherNode(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.group("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	eve := connect(t, two.URL, "eve", "phone")

	alice.write(map[string]any{"type": "typing", "conversation_id": id})
	for _, on := range []bool{true, false} {
		var seen struct {
			ConversationID domain.ConversationID `json:"conversation_id"`
			UserID         domain.UserID         `json:"user_id"`
			On             bool
		}
		bob.next("typing").into(t, &seen)
		require.Equal(t, id, seen.ConversationID)
		require.Equal(t, domain.UserID("alice"), seen.UserID)
		require.Equal(t, on, seen.On)
	}
	require.Equal(t, "pong", eve.request(map[string]any{"type": "ping"}).Type)
	require.NotContains(t, eve.summary(), "typing")
	require.NotContains(t, alice.summary(), "typing")
}

type presence struct {
	UserID     domain.UserID `json:"user_id"`
	Online     *bool         `json:"online"`
	LastSeenAt *time.Time    `json:"last_seen_at"`
}

// nextPresence waits for a presence frame with the state online; nil is unknown. It skips
// repetitions of the previous state: such a frame adds last_seen_at.
func (s *socket) nextPresence(user domain.UserID, online *bool) presence {
	s.t.Helper()
	for {
		var p presence
		s.next("presence").into(s.t, &p)
		require.Equal(s.t, user, p.UserID)
		if before, known := s.presence[user]; known && reflect.DeepEqual(before, p.Online) && !reflect.DeepEqual(online, p.Online) {
			continue
		}
		s.presence[user] = p.Online
		require.Equal(s.t, online, p.Online, "%s: %s", s.user, s.summary())
		return p
	}
}

// TestPresence: users who share a conversation see each other's presence, across nodes.
// Other users do not. The users of a killed node go offline when its lease expires.
func TestPresence(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	one.group("alice", "bob")
	one.group("eve", "frank")
	alice, eve := connect(t, one.URL, "alice", "phone"), connect(t, one.URL, "eve", "phone")
	for _, s := range []*socket{alice, eve} {
		s.write(map[string]any{"type": "watch", "user_ids": []string{"bob"}})
		require.Nil(t, s.nextPresence("bob", new(false)).LastSeenAt)
	}
	bob := connect(t, two.URL, "bob", "phone")
	alice.nextPresence("bob", new(true))

	getPresence := func(n *testNode, user domain.UserID) presence {
		status, body := n.call(user, "GET", "/v1/presence?user_id=bob", nil)
		require.Equal(t, http.StatusOK, status, "%s", body)
		return decode[struct{ Items []presence }](t, body).Items[0]
	}
	require.Equal(t, presence{"bob", new(true), nil}, getPresence(two, "alice"))
	require.Equal(t, presence{"bob", new(false), nil}, getPresence(two, "eve"))

	began := time.Now()
	require.NoError(t, bob.ws.Close())
	seen := alice.nextPresence("bob", new(false))
	require.NotNil(t, seen.LastSeenAt)
	require.WithinDuration(t, began, *seen.LastSeenAt, waitTimeout)
	require.Equal(t, presence{"bob", new(false), nil}, getPresence(two, "eve"), "a stranger does not see last_seen_at")

	connect(t, two.URL, "bob", "phone")
	alice.nextPresence("bob", new(true))
	two.Signal(syscall.SIGKILL)
	alice.nextPresence("bob", new(false))
	require.Equal(t, "pong", eve.request(map[string]any{"type": "ping"}).Type)
	require.NotContains(t, eve.summary(), "presence")
}

// TestPresenceWithoutRedis: without Redis presence is unknown. When Redis is back, presence
// becomes correct although no session starts or ends.
func TestPresenceWithoutRedis(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	one.group("alice", "bob")
	alice := connect(t, one.URL, "alice", "phone")
	connect(t, two.URL, "bob", "phone")
	alice.write(map[string]any{"type": "watch", "user_ids": []string{"bob"}})
	alice.nextPresence("bob", new(true))
	c.redis.Cut()
	alice.nextPresence("bob", nil)
	c.flushRegistry()
	c.redis.Mend()
	require.Nil(t, alice.nextPresence("bob", new(true)).LastSeenAt)
	require.Equal(t, "pong", alice.request(map[string]any{"type": "ping"}).Type)
	require.NotContains(t, alice.summary(), "presence")
}

// TestReceipts: delivery and read receipts of a member are pushed to the other members, on
// another node, and are listed.
func TestReceipts(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.group("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	eve := connect(t, one.URL, "eve", "phone")
	require.Empty(t, alice.post(id, "c", "x").Code)
	bob.waitEvent(id, 2)

	bob.write(map[string]any{"type": "ack", "acks": map[string]int64{id.String(): 2}})
	var delivered, read domain.Receipt
	alice.next("receipt").into(t, &delivered)
	require.Equal(t, domain.Receipt{ConversationID: id, UserID: "bob", DeliveredSeq: 2}, delivered)
	status, _ := two.call("bob", "PUT", "/v1/conversations/"+id.String()+"/read", map[string]any{"seq": 2})
	require.Equal(t, http.StatusOK, status)
	alice.next("receipt").into(t, &read)
	require.Equal(t, domain.Receipt{ConversationID: id, UserID: "bob", ReadSeq: 2}, read)

	status, body := one.call("alice", "GET", "/v1/conversations/"+id.String()+"/receipts", nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []domain.MemberReceipt{{UserID: "alice", ReadSeq: 2}, {UserID: "bob", DeliveredSeq: 2, ReadSeq: 2}},
		decode[domain.Page[domain.MemberReceipt]](t, body).Items)
	for _, s := range []*socket{bob, eve} {
		require.Equal(t, "pong", s.request(map[string]any{"type": "ping"}).Type)
		require.NotContains(t, s.summary(), "receipt")
	}
}

// TestTrace: a backend sees to which nodes a message was routed, and how far each device
// and each user has acknowledged and read, on every node.
func TestTrace(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.group("alice", "bob", "carol")
	bob := connect(t, two.URL, "bob", "phone")
	backend, err := auth.Sign(secret, "backend", auth.Grant{TTL: time.Hour, Server: true})
	require.NoError(t, err)
	status, body := one.call("alice", "POST", "/v1/conversations/"+id.String()+"/messages", map[string]any{"client_msg_id": "c", "content": text("x")})
	require.Equal(t, http.StatusCreated, status, "%s", body)
	bob.waitEvent(id, 2)
	trace := func() domain.Trace {
		return decode[domain.Trace](t, one.mustCall(http.StatusOK, backend, "GET", "/v1/conversations/"+id.String()+"/messages/2/trace", nil))
	}
	first := trace()
	require.Equal(t, "one", *first.Committed.Node)
	require.Len(t, first.Routed, 1)
	require.Contains(t, string(first.Routed[0]), "two")
	require.Len(t, first.Items, 3)
	require.True(t, first.Items[0].Read, "the sender has read it")
	require.False(t, first.Items[1].Delivered)
	require.Nil(t, first.Items[1].Sessions[0].Pushed)
	require.Empty(t, first.Items[2].Sessions)

	bob.write(map[string]any{"type": "ack", "acks": map[string]int64{id.String(): 2}})
	bob.request(map[string]any{"type": "read", "conversation_id": id, "seq": 2})
	eventually.True(t, "the trace shows the delivery and the reading", func() bool {
		m := trace().Items[1]
		return m.Delivered && m.Read && len(m.Devices) == 1 && m.Devices[0].Acked && m.Sessions[0].Pushed != nil
	})
}
