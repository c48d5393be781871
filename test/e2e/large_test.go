package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestLargeGroup: a group of the maximum size is filled in several calls. Pushes, the list
// of members, counts and the succession of the owner work as in a small group.
func TestLargeGroup(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	limits := domain.DefaultLimits()
	name := func(i int) domain.UserID { return domain.UserID(fmt.Sprintf("u%05d", i)) }
	userRange := func(from, n int) (users []domain.UserID) {
		for i := range n {
			users = append(users, name(from+i))
		}
		return users
	}
	// The members are alice, the owner, and u00000, u00001, …
	id := nodes[0].group("alice", userRange(0, limits.MembersPerCall)...)
	path := "/v1/conversations/" + id.String()
	count := 1 + limits.MembersPerCall
	for count < limits.GroupMembers {
		n := min(limits.MembersPerCall, limits.GroupMembers-count)
		status, body := nodes[0].call("alice", "POST", path+"/members", map[string]any{"user_ids": userRange(count-1, n)})
		require.Equal(t, http.StatusOK, status, "%.300s", body)
		count += n
	}
	for _, user := range []domain.UserID{"one-too-many", name(7)} {
		status, body := nodes[1].call("alice", "PUT", memberPath(id, user), map[string]any{"role": "member"})
		if user == name(7) {
			require.Equal(t, http.StatusNoContent, status, "an existing member does not count twice")
			continue
		}
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, domain.CodeLimitExceeded, decode[sent](t, body).Code)
	}

	last := name(limits.GroupMembers - 2)
	alice, member := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, last, "phone")
	posted := alice.post(id, "c", "to all of you")
	require.Empty(t, posted.Code)
	require.Equal(t, domain.MessagePosted, member.waitEvent(id, posted.Seq)[0].Type)
	views, done := member.sync("", 10)
	require.Equal(t, []int64{int64(limits.GroupMembers), 1, 1}, []int64{int64(views[id].MemberCount), views[id].UnreadCount, *done.UnreadTotal})

	listed := map[domain.UserID]domain.Role{}
	for cursor := ""; ; {
		status, body := nodes[1].call(last, "GET", fmt.Sprintf("%s/members?limit=%d%s", path, limits.ListPage, cursor), nil)
		require.Equal(t, http.StatusOK, status, "%.300s", body)
		page := decode[domain.Page[domain.Member]](t, body)
		for _, m := range page.Items {
			listed[m.UserID] = m.Role
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	require.Len(t, listed, limits.GroupMembers)
	require.Equal(t, domain.RoleOwner, listed["alice"])

	nodes[0].remove("alice", id, "alice")
	events := member.waitEvent(id, posted.Seq+2)
	require.JSONEq(t, fmt.Sprintf(`{"user_id":%q,"role":"owner"}`, name(0)), string(events[2].Body), "the first of the longest-standing members succeeds the owner")
	require.Equal(t, domain.MemberRemoved, alice.waitEvent(id, posted.Seq+1)[1].Type)
	status, body := nodes[1].call(name(0), "PUT", memberPath(id, "alice"), map[string]any{"role": "member"})
	require.Equal(t, http.StatusCreated, status, "%s: there is room again, and the successor may add members", body)
	alice.wait("the conversation frame of alice", func(f frame) bool { return f.Type == "conversation" })
}
