package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"im/domain"
)

// TestI1AcceptedIsDurable: a send that was answered with sent or 201 is in the log on every
// node at once, and is still there after all nodes have ended.
func TestI1AcceptedIsDurable(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	alice := connect(t, one.URL, "alice", "phone")

	id := one.direct("alice", "bob")
	answer := alice.post(id, "c-1", "over the socket")
	require.EqualValues(t, 2, answer.Seq)
	status, body := two.call("alice", "POST", "/v1/conversations/"+id.String()+"/messages",
		map[string]any{"client_msg_id": "c-2", "content": text("over REST")})
	require.Equal(t, http.StatusCreated, status, "%s", body)

	require.Len(t, connect(t, two.URL, "bob", "phone").history(id), 3)
	one.Stop()
	two.Stop()
	three := c.node("three")
	events := connect(t, three.URL, "bob", "phone").history(id)
	require.Len(t, events, 3)
	require.JSONEq(t, `{"content":{"type":"text","text":"over the socket"}}`, string(events[1].Body))
	require.JSONEq(t, `{"content":{"type":"text","text":"over REST"}}`, string(events[2].Body))
}

// TestI2DenseUnderConcurrentAppends: many senders on two nodes append to several
// conversations, half of them in the opposite order. The seqs of each are 1…head.
func TestI2DenseUnderConcurrentAppends(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	const senders, conversations, each = 8, 10, 30

	var users []domain.UserID
	for i := range senders {
		users = append(users, domain.UserID(fmt.Sprintf("user-%d", i)))
	}
	var ids []domain.ConversationID
	for range conversations {
		ids = append(ids, nodes[0].group(users[0], users[1:]...))
	}
	var work errgroup.Group
	for i, user := range users {
		s := connect(t, nodes[i%2].URL, user, "phone")
		work.Go(func() error {
			var requests []string
			for n := range each {
				for k := range ids {
					if i%2 == 1 {
						k = len(ids) - 1 - k
					}
					requests = append(requests, s.start(map[string]any{
						"type": "send", "conversation_id": ids[k], "client_msg_id": fmt.Sprintf("%d-%d", n, k),
						"content": text("x"),
					}))
				}
				for _, id := range requests {
					f, err := s.await(func(f frame) bool { return f.ID == id }, waitTimeout)
					if err != nil || f.Type != "sent" {
						return fmt.Errorf("%s: %s %w", user, f.raw, err)
					}
				}
				requests = requests[:0]
			}
			return nil
		})
	}
	require.NoError(t, work.Wait())
	reader := connect(t, nodes[0].URL, users[0], "tablet")
	for _, id := range ids {
		events := reader.history(id)
		require.Len(t, events, 1+senders*each)
		requireDense(t, events, 1)
		requireSenderOrder(t, events)
	}
}

// requireSenderOrder asserts that what one socket sent to a conversation was committed in
// that order, and that time never goes backwards.
func requireSenderOrder(t *testing.T, events []domain.Event) {
	t.Helper()
	next := map[domain.UserID]int{}
	for i, e := range events {
		if i > 0 {
			require.False(t, e.At.Before(events[i-1].At.Time), "time goes backwards at %d", e.Seq)
		}
		if e.Type != domain.MessagePosted {
			continue
		}
		var n, k int
		_, err := fmt.Sscanf(e.ClientMsgID, "%d-%d", &n, &k)
		require.NoError(t, err)
		require.Equal(t, next[e.Sender], n, "message of %s out of order", e.Sender)
		next[e.Sender]++
	}
}

// TestI3OnceOverTransportsAndNodes: the same message, sent concurrently over both
// transports and to both nodes, is one event.
func TestI3OnceOverTransportsAndNodes(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].direct("alice", "bob")
	sockets := []*socket{connect(t, nodes[0].URL, "alice", "phone"), connect(t, nodes[1].URL, "alice", "laptop")}

	const messages = 20
	for n := range messages {
		var mu sync.Mutex
		seqs, originals := map[int64]int{}, 0
		note := func(seq int64, duplicate bool) {
			mu.Lock()
			defer mu.Unlock()
			seqs[seq]++
			if !duplicate {
				originals++
			}
		}
		var work sync.WaitGroup
		for i := range 2 {
			work.Go(func() {
				a := sockets[i].post(id, fmt.Sprint("c-", n), "hi")
				note(a.Seq, a.Duplicate)
			})
			work.Go(func() {
				status, body := nodes[i].call("alice", "POST", "/v1/conversations/"+id.String()+"/messages",
					map[string]any{"client_msg_id": fmt.Sprint("c-", n), "content": text("hi")})
				note(decode[domain.Event](t, body).Seq, status == http.StatusOK)
			})
		}
		work.Wait()
		require.Len(t, seqs, 1, "all answers have one seq")
		require.Equal(t, 4, seqs[int64(n+2)])
		require.Equal(t, 1, originals, "one answer is not a duplicate")
	}
	conflict := sockets[0].post(id, "c-0", "something else")
	require.Equal(t, domain.CodeIdempotencyConflict, conflict.Code)
	require.Len(t, sockets[1].history(id), 1+messages)
}

// TestI3OneDirectConversation: two users get one direct conversation, even if both create
// it concurrently on both nodes, by sends and by REST calls.
func TestI3OneDirectConversation(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	alice := connect(t, nodes[0].URL, "alice", "phone")
	bob := connect(t, nodes[1].URL, "bob", "phone")

	var mu sync.Mutex
	ids := map[domain.ConversationID]bool{}
	note := func(id domain.ConversationID) {
		mu.Lock()
		defer mu.Unlock()
		ids[id] = true
	}
	var work sync.WaitGroup
	for n := range 5 {
		for _, pair := range []struct {
			s  *socket
			to string
		}{{alice, "bob"}, {bob, "alice"}} {
			work.Go(func() {
				var a sent
				pair.s.request(map[string]any{
					"type": "send", "to": pair.to, "client_msg_id": fmt.Sprint("c-", n), "content": text("hi"),
				}).into(t, &a)
				require.Empty(t, a.Code)
				note(a.ConversationID)
			})
		}
		work.Go(func() { note(nodes[n%2].direct("alice", "bob")) })
		work.Go(func() { note(nodes[n%2].direct("bob", "alice")) })
	}
	work.Wait()
	require.Len(t, ids, 1)
	for id := range ids {
		events := alice.history(id)
		require.Len(t, events, 11, "the creation and ten messages")
		requireDense(t, events, 1)
	}
}
