package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestLargeGroup: a group of as many as there may be, made in portions, is told of
// a message on every node, listed, counted and handed over like a small one.
func TestLargeGroup(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	limits := domain.DefaultLimits()
	name := func(i int) domain.UserID { return domain.UserID(fmt.Sprintf("u%05d", i)) }
	portion := func(from, n int) (users []domain.UserID) {
		for i := range n {
			users = append(users, name(from+i))
		}
		return users
	}
	// alice, who is the owner, and u00000 and on.
	id := nodes[0].group("alice", portion(0, limits.MembersPerCall)...)
	path := "/v1/conversations/" + id.String()
	present := 1 + limits.MembersPerCall
	for present < limits.GroupMembers {
		n := min(limits.MembersPerCall, limits.GroupMembers-present)
		status, body := nodes[0].call("alice", "POST", path+"/members", map[string]any{"user_ids": portion(present-1, n)})
		require.Equal(t, http.StatusOK, status, "%.300s", body)
		present += n
	}
	for _, user := range []domain.UserID{"one-too-many", name(7)} {
		status, body := nodes[1].call("alice", "PUT", memberPath(id, user), map[string]any{"role": "member"})
		if user == name(7) {
			require.Equal(t, http.StatusNoContent, status, "who is in already takes no place")
			continue
		}
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, domain.CodeLimitExceeded, decode[sent](t, body).Code)
	}

	last := name(limits.GroupMembers - 2)
	alice, member := connect(t, nodes[0].url, "alice", "phone"), connect(t, nodes[1].url, last, "phone")
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
	heard := member.waitEvent(id, posted.Seq+2)
	require.JSONEq(t, fmt.Sprintf(`{"user_id":%q,"role":"owner"}`, name(0)), string(heard[2].Body), "the first of those who have been there the longest")
	require.Equal(t, domain.MemberRemoved, alice.waitEvent(id, posted.Seq+1)[1].Type)
	status, body := nodes[1].call(name(0), "PUT", memberPath(id, "alice"), map[string]any{"role": "member"})
	require.Equal(t, http.StatusCreated, status, "%s: there is room again, and the successor has the say", body)
	alice.wait("her conversation", func(f frame) bool { return f.Type == "conversation" })
}
