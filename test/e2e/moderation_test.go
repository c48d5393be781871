package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// TestBanFromTheApp: a banned user is out on every node at once, with 4404, and cannot come
// back with any token, over any transport, though Redis forgets everything. After the ban,
// new tokens are accepted.
func TestBanFromTheApp(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	phone, laptop := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "alice", "laptop")
	old := userToken(t, "alice")
	nodes[1].mustCall(200, old, "GET", "/v1/sync", nil)
	nodes[0].mustCall(403, userToken(t, "bob"), "PUT", "/v1/users/alice/ban", map[string]any{})

	nodes[0].mustCall(204, serverToken(t), "PUT", "/v1/users/alice/ban",
		map[string]any{"until": domain.TimeOf(time.Now().Add(time.Hour)), "reason": "fraud"})
	require.Equal(t, 4404, phone.closed())
	require.Equal(t, 4404, laptop.closed())
	for _, n := range nodes {
		require.Equal(t, 4404, hello(t, n.URL, userToken(t, "alice"), "phone").closed())
		eventually.True(t, "tokens are refused", func() bool {
			status, body := n.callWith(userToken(t, "alice"), "GET", "/v1/sync", nil)
			if status != 403 {
				return false
			}
			refused := decode[struct {
				Code         domain.Code
				RetryAfterMS int64 `json:"retry_after_ms"`
			}](t, body)
			require.Equal(t, domain.CodeForbidden, refused.Code)
			require.InDelta(t, time.Hour.Milliseconds(), refused.RetryAfterMS, float64(time.Minute.Milliseconds()))
			return true
		})
	}
	third := c.node("three") // knows of the ban by PostgreSQL alone
	require.Equal(t, 4404, hello(t, third.URL, userToken(t, "alice"), "phone").closed())

	nodes[1].mustCall(204, serverToken(t), "DELETE", "/v1/users/alice/ban", nil)
	eventually.True(t, "a new token is accepted", func() bool {
		status, _ := nodes[0].callWith(userToken(t, "alice"), "GET", "/v1/sync", nil)
		return status == 200
	})
	require.Equal(t, 4400, hello(t, nodes[0].URL, old, "phone").closed(), "tokens from before the ban stay revoked")
	connect(t, nodes[1].URL, "alice", "phone")
}

// TestBanSeenOnAnotherNode: members on another node see the ban as they see other events of
// members; for the banned user the removal is the last event.
func TestBanSeenOnAnotherNode(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob", "carol")
	bob, carol := connect(t, nodes[1].URL, "bob", "phone"), connect(t, nodes[1].URL, "carol", "phone")
	require.Empty(t, bob.post(id, "c-1", "x").Code)
	base := "/v1/conversations/" + id.String()
	answer := decode[domain.Event](t, nodes[0].mustCall(200, userToken(t, "alice"), "PUT", base+"/bans/bob", map[string]any{"reason": "spam"}))
	require.Equal(t, domain.MemberBanned, answer.Type)
	require.JSONEq(t, `{"user_id":"bob","reason":"spam"}`, string(answer.Body))
	seen := carol.waitEvent(id, answer.Seq)
	require.Equal(t, []domain.EventType{domain.MessagePosted, domain.MemberRemoved, domain.MemberBanned},
		[]domain.EventType{seen[0].Type, seen[1].Type, seen[2].Type})
	removed := bob.waitEvent(id, answer.Seq-1)
	require.Equal(t, domain.MemberRemoved, removed[len(removed)-1].Type)
	nodes[1].mustCall(404, userToken(t, "bob"), "GET", base, nil)
	nodes[1].mustCall(403, userToken(t, "carol"), "GET", base+"/bans", nil)
	nodes[1].mustCall(403, userToken(t, "alice"), "PUT", base+"/members/bob", map[string]any{"role": "member"})
	muted := decode[domain.Event](t, nodes[0].mustCall(200, userToken(t, "alice"), "PUT", base+"/mutes/carol", map[string]any{}))
	require.Equal(t, domain.MemberMuted, muted.Type)
	carol.waitEvent(id, muted.Seq)
	require.Len(t, bob.pushed(id), len(removed), "the removal is the last event of the banned user")
	require.Equal(t, domain.CodeForbidden, carol.post(id, "c-2", "x").Code)
	nodes[0].mustCall(204, userToken(t, "carol"), "POST", base+"/messages/2/reports", map[string]any{"category": "spam"})
	reports := decode[domain.Page[domain.Report]](t, nodes[1].mustCall(200, serverToken(t), "GET", "/v1/reports?state=open", nil))
	require.Len(t, reports.Items, 1)
	require.Equal(t, domain.UserID("bob"), reports.Items[0].Sender)
}
