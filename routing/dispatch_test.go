package routing

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/routing/broker"
	"im/routing/internal/queue"
)

// newSource returns a source that makes two messages of each number.
func newSource() *source[int] {
	route := func(_ context.Context, batch []int) (msgs []*message.Message) {
		for _, n := range batch {
			for range 2 {
				msgs = append(msgs, message.NewMessage("", []byte{byte(n)}))
			}
		}
		return msgs
	}
	return &source[int]{queue.New[int](10), route}
}

func TestSource(t *testing.T) {
	t.Run("offers the messages of a batch at once, and the next batch when they were handled", func(t *testing.T) {
		s := newSource()
		require.True(t, s.queue.Put(1, batchBytes))
		messages, err := s.Subscribe(t.Context(), "")
		require.NoError(t, err)
		first, second := <-messages, <-messages
		require.Equal(t, message.Payload{1}, first.Payload)
		require.Equal(t, message.Payload{1}, second.Payload)
		require.True(t, s.queue.Put(2, 1))
		first.Ack()
		select {
		case <-messages:
			require.Fail(t, "a message before the second was handled")
		case <-time.After(20 * time.Millisecond):
		}
		second.Nack() // is not repeated
		require.Equal(t, message.Payload{2}, (<-messages).Payload)
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		messages, err := newSource().Subscribe(ctx, "")
		require.NoError(t, err)
		cancel()
		_, open := <-messages
		require.False(t, open)
	})
}

// testDispatcher returns a dispatcher that finds bob on the nodes b1 and b2, carol on
// c, and fails for any set of users that holds "error".
func testDispatcher() *dispatcher {
	nodes := map[domain.UserID][]domain.NodeID{"bob": {"b1", "b2"}, "carol": {"c"}}
	find := func(_ context.Context, users map[domain.UserID]struct{}) (map[domain.UserID][]domain.NodeID, error) {
		if _, fails := users["error"]; fails {
			return nil, errors.New("redis does not answer")
		}
		return nodes, nil
	}
	return &dispatcher{nodesOf: find, nodesNow: find, count: newMetrics(nil)}
}

// decodeAll returns the content of messages by destination.
func decodeAll(t *testing.T, msgs []*message.Message) map[domain.NodeID]envelope {
	t.Helper()
	all := make(map[domain.NodeID]envelope)
	for _, msg := range msgs {
		to := domain.NodeID(msg.Metadata.Get(destination))
		require.NotContains(t, all, to, "one message for each destination")
		e, err := decode(msg.Payload)
		require.NoError(t, err)
		all[to] = e
	}
	return all
}

func TestRouteCommits(t *testing.T) {
	d, id := testDispatcher(), newConversation()
	got := decodeAll(t, d.routeCommits(t.Context(), []domain.Committed{
		committed(id, 1, "bob"), committed(id, 2, "bob", "carol"), committed(id, 3, "dave"), committed(id, 4),
	}))
	seqs := make(map[domain.NodeID][]int64)
	for node, e := range got {
		for _, c := range e.committed {
			seqs[node] = append(seqs[node], c.Events[0].Seq)
		}
	}
	require.Equal(t, map[domain.NodeID][]int64{"b1": {1, 2}, "b2": {1, 2}, "c": {2}, broker.AllNodes: {4}}, seqs)
	require.Empty(t, d.routeCommits(t.Context(), []domain.Committed{committed(id, 1, "dave")}))
	got = decodeAll(t, d.routeCommits(t.Context(), []domain.Committed{committed(id, 1, "error"), committed(id, 2, "bob")}))
	require.Len(t, got, 1)
	require.Len(t, got[broker.AllNodes].committed, 2, "to all nodes while theirs are unknown")
}

func TestRouteSignals(t *testing.T) {
	d := testDispatcher()
	frame := domain.UserFrame{User: "bob", Frame: []byte("{}")}
	end := domain.EndSessions{User: "carol", Session: "s", Code: domain.CloseReplaced}
	changed := domain.PresenceChanged{User: "bob"}
	signals := func(batch ...outgoing) map[domain.NodeID][]domain.Signal {
		by := make(map[domain.NodeID][]domain.Signal)
		for node, e := range decodeAll(t, d.routeSignals(t.Context(), batch)) {
			by[node] = e.signals
		}
		return by
	}
	require.Equal(t, map[domain.NodeID][]domain.Signal{"b1": {frame}, "b2": {frame}, "x": {end}, broker.AllNodes: {changed}},
		signals(outgoing{signal: frame}, outgoing{end, "x"}, outgoing{signal: changed}))
	failing := domain.UserFrame{User: "error", Frame: []byte("{}")}
	require.Equal(t, map[domain.NodeID][]domain.Signal{"x": {end}, broker.AllNodes: {failing}},
		signals(outgoing{signal: failing}, outgoing{end, "x"}))
}
