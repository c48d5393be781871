package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func messagePath(id domain.ConversationID, seq int64) string {
	return fmt.Sprintf("/v1/conversations/%s/messages/%d", id, seq)
}

// change makes a call that must append an event, and returns the event.
func (n *testNode) change(user domain.UserID, method, path string, body any) domain.Event {
	n.t.Helper()
	status, answer := n.call(user, method, path, body)
	require.Equal(n.t, http.StatusOK, status, "%s", answer)
	return decode[domain.Event](n.t, answer)
}

// unchanged makes a call that must append no event.
func (n *testNode) unchanged(user domain.UserID, method, path string, body any) {
	n.t.Helper()
	status, answer := n.call(user, method, path, body)
	require.Equal(n.t, http.StatusNoContent, status, "%s", answer)
}

// TestMessageChangesArePushed: changes of a message on one node are pushed to all members
// on both nodes, in order, and equal the events that the calls returned.
func TestMessageChangesArePushed(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob")
	alice, bob := connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "bob", "phone")
	seq := alice.post(id, "c-1", "secret text").Seq
	reply := decode[domain.Event](t, func() []byte {
		status, body := nodes[1].call("bob", "POST", "/v1/conversations/"+id.String()+"/messages",
			map[string]any{"client_msg_id": "r", "content": text("reply"), "reply_to": seq})
		require.Equal(t, http.StatusCreated, status, "%s", body)
		return body
	}())
	path, thumb := messagePath(id, seq), "/reactions/"+url.PathEscape("👍")
	edit := map[string]any{"content": text("still secret text"), "mentions": []string{"bob"}}

	changes := []domain.Event{
		nodes[1].change("alice", "PATCH", path, edit),
		nodes[0].change("bob", "PUT", path+thumb, nil),
		nodes[1].change("alice", "PUT", path+"/pin", nil),
		nodes[0].change("bob", "DELETE", path+thumb, nil),
		nodes[1].change("alice", "DELETE", path+"/pin", nil),
		nodes[0].change("alice", "PUT", messagePath(id, reply.Seq)+"/pin", nil),
	}
	nodes[0].unchanged("alice", "PATCH", path, edit)
	nodes[1].unchanged("bob", "DELETE", path+thumb, nil)
	nodes[1].unchanged("alice", "PUT", messagePath(id, reply.Seq)+"/pin", nil)
	views, _ := bob.sync("", 10)
	require.Zero(t, views[id].UnreadCount+views[id].MentionCount, "the own reply moved the read position; an edit below it is not unread")

	changes = append(changes, nodes[1].change("alice", "DELETE", path+"?reason=oops", nil))
	nodes[0].unchanged("alice", "DELETE", path, nil)
	for _, s := range []*socket{alice, bob} {
		events := s.waitEvent(id, changes[len(changes)-1].Seq)
		require.Equal(t, changes, events[len(events)-len(changes):])
	}
	require.Equal(t, domain.MessageRecalled, changes[len(changes)-1].Type)
	require.JSONEq(t, fmt.Sprintf(`{"target_seq":%d,"reason":"oops"}`, seq), string(changes[len(changes)-1].Body))

	for _, n := range nodes {
		for _, call := range []string{
			"/v1/conversations/" + id.String(), "/v1/conversations/" + id.String() + "/events", "/v1/conversations/" + id.String() + "/pins",
			"/v1/conversations/" + id.String() + "/messages", fmt.Sprintf("/v1/conversations/%s/messages?as_of_seq=%d", id, seq), path, "/v1/sync?timeline_limit=50",
		} {
			status, body := n.call("bob", "GET", call, nil)
			require.Equal(t, http.StatusOK, status)
			require.False(t, strings.Contains(string(body), "secret text"), "%s: %s", call, body)
		}
	}
	status, body := nodes[0].call("bob", "GET", "/v1/conversations/"+id.String()+"/pins", nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, reply.Seq, decode[domain.Page[domain.PinnedMessage]](t, body).Items[0].Seq)
	again := alice.post(id, "c-1", "something else")
	require.True(t, again.Duplicate, "after a recall, any resend is a duplicate")
	require.Equal(t, seq, again.Seq)
}

// TestUnreadFollowsEditsAndRecalls: edits and recalls change the counts of unread messages
// and mentions.
func TestUnreadFollowsEditsAndRecalls(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	id := n.group("alice", "bob")
	alice, bob := connect(t, n.URL, "alice", "phone"), connect(t, n.URL, "bob", "phone")
	first, second := alice.post(id, "1", "one").Seq, alice.post(id, "2", "two").Seq
	counts := func() []int64 {
		views, last := bob.sync("", 10)
		return []int64{views[id].UnreadCount, views[id].MentionCount, *last.UnreadTotal}
	}
	require.Equal(t, []int64{2, 0, 2}, counts())
	n.change("alice", "PATCH", messagePath(id, first), map[string]any{"content": text("@bob"), "mentions": []string{"bob"}})
	require.Equal(t, []int64{2, 1, 2}, counts())
	n.change("alice", "DELETE", messagePath(id, second), nil)
	require.Equal(t, []int64{1, 1, 1}, counts())
	n.change("alice", "PATCH", messagePath(id, first), map[string]any{"content": text("@bob"), "mentions": []string{}})
	require.Equal(t, []int64{1, 0, 1}, counts())
	n.change("alice", "DELETE", messagePath(id, first), nil)
	require.Equal(t, []int64{0, 0, 0}, counts())
}

// TestEditRacingRecallOnTwoNodes: an edit that races with a recall never restores content.
func TestEditRacingRecallOnTwoNodes(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].direct("alice", "bob")
	alice := connect(t, nodes[0].URL, "alice", "phone")
	for round := range 15 {
		seq := alice.post(id, fmt.Sprint(round), "secret text").Seq
		var racing sync.WaitGroup
		for i := range 4 {
			racing.Go(func() {
				status, body := nodes[i%2].call("alice", "PATCH", messagePath(id, seq), map[string]any{"content": text(fmt.Sprint("secret text ", i))})
				if status != http.StatusOK && status != http.StatusConflict {
					t.Errorf("%d %s", status, body)
				}
			})
		}
		racing.Go(func() {
			if status, body := nodes[round%2].call("alice", "DELETE", messagePath(id, seq), nil); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		})
		racing.Wait()
	}
	for _, e := range connect(t, nodes[1].URL, "bob", "phone").history(id) {
		require.NotContains(t, string(e.Body), "secret text", "%s %d", e.Type, e.Seq)
	}
}

// TestReactionInAnyForm: an emoji with and without U+FE0F is one reaction, on every node,
// in answers and in pushes.
func TestReactionInAnyForm(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob", "carol")
	alice := connect(t, nodes[1].URL, "alice", "phone")
	seq := alice.post(id, "c-1", "hello").Seq
	path := messagePath(id, seq)
	for _, emoji := range []struct{ bare, form string }{
		{"👍", "👍\uFE0F"}, {"❤", "❤\uFE0F"}, {"1\u20E3", "1\uFE0F\u20E3"}, {"❤\u200D🔥", "❤\uFE0F\u200D🔥"}, {"🇩🇪", "🇩🇪\uFE0F"},
	} {
		bare, form := path+"/reactions/"+url.PathEscape(emoji.bare), path+"/reactions/"+url.PathEscape(emoji.form)
		body := fmt.Sprintf(`{"target_seq":%d,"emoji":%q}`, seq, emoji.bare)
		made := []domain.Event{nodes[0].change("bob", "PUT", form, nil), nodes[1].change("carol", "PUT", bare, nil)}
		nodes[1].unchanged("bob", "PUT", bare, nil)
		nodes[0].unchanged("carol", "PUT", form, nil)
		status, answer := nodes[1].call("bob", "GET", path, nil)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, []domain.Reaction{{Emoji: emoji.bare, Count: 2, Mine: true}}, decode[domain.Message](t, answer).Reactions)
		made = append(made, nodes[1].change("bob", "DELETE", bare, nil), nodes[0].change("carol", "DELETE", form, nil))
		nodes[0].unchanged("bob", "DELETE", form, nil)
		events := alice.waitEvent(id, made[3].Seq)
		require.Equal(t, made, events[len(events)-4:])
		for _, e := range made {
			require.JSONEq(t, body, string(e.Body))
		}
	}
	for _, forms := range [][2]string{{"👍", "👍🏽"}, {"🏴", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"}, {"🇩🇪", "🇩"}, {"🤷\u200D♀", "🤷\u200D♂"}, {"+1", "👍"}} {
		for _, emoji := range forms {
			nodes[0].change("bob", "PUT", path+"/reactions/"+url.PathEscape(emoji), nil)
		}
		for _, emoji := range forms {
			nodes[1].change("bob", "DELETE", path+"/reactions/"+url.PathEscape(emoji), nil)
		}
	}
}
