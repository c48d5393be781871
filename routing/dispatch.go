package routing

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
	"im/internal/tracing"
	"im/routing/broker"
	"im/routing/internal/queue"
)

// destination is the metadata of a message for the handler "dispatch": the id of a
// node, or broker.AllNodes.
const destination = "destination"

// dispatcher sends commits and signals to other nodes.
type dispatcher struct {
	origin   origin
	broker   broker.Broker
	nodesOf  lookup // up to a quarter of a second old
	nodesNow lookup
	count    *metrics
	logger   *slog.Logger
	tracer   *tracing.Tracer // nil: there are no traces
}

// lookup returns the other nodes on which users have sessions. After an error they are
// unknown.
type lookup func(context.Context, map[domain.UserID]struct{}) (map[domain.UserID][]domain.NodeID, error)

// outgoing is a signal for the nodes of its user or, if node is set, for one node.
type outgoing struct {
	signal domain.Signal
	node   domain.NodeID
}

// dispatch is the Watermill handler that publishes a message to its destination.
func (d *dispatcher) dispatch(msg *message.Message) error {
	to := domain.NodeID(msg.Metadata.Get(destination))
	err := d.broker.Publish(to, msg)
	if d.tracer != nil {
		endSpans(msg, err)
	}
	if err != nil {
		d.count.publishErrors.Inc()
		return fmt.Errorf("routing: publish to node %q: %w", to, err)
	}
	if to == broker.AllNodes {
		d.count.broadcast.Inc()
		d.logger.Debug("sent to all nodes", "bytes", len(msg.Payload))
	} else {
		d.count.sent.Inc()
		d.logger.Debug("sent to another node", "to", to, "bytes", len(msg.Payload))
	}
	return nil
}

// routeCommits returns one message for each other node that has members, or for all
// nodes where the members are too many or their nodes unknown.
func (d *dispatcher) routeCommits(ctx context.Context, batch []domain.Committed) []*message.Message {
	users := make(map[domain.UserID]struct{})
	for i := range batch {
		for _, user := range batch[i].Audience {
			users[user] = struct{}{}
		}
	}
	nodes, err := d.nodesOf(ctx, users)
	out, traced := make(payloads), newTraces(d.tracer)
	for i := range batch {
		to := []domain.NodeID{broker.AllNodes}
		if batch[i].Audience != nil && err == nil {
			to = union(batch[i].Audience, nodes)
		}
		if len(to) > 0 { // often all members are on this node: nothing is encoded then
			out.add(d.origin, to, appendCommitted(nil, &batch[i]))
			traced.add(to, &batch[i])
		}
	}
	d.count.dispatched.Add(float64(len(batch)))
	return out.messages(traced)
}

// routeSignals returns one message for each other node that has sessions of the users,
// and one for all nodes where a signal needs that.
func (d *dispatcher) routeSignals(ctx context.Context, batch []outgoing) []*message.Message {
	users := make(map[domain.UserID]struct{})
	for i := range batch {
		if user, ok := addressee(batch[i].signal); ok && batch[i].node == "" {
			users[user] = struct{}{}
		}
	}
	nodes, err := d.nodesNow(ctx, users)
	out := make(payloads)
	for i := range batch {
		to := []domain.NodeID{broker.AllNodes}
		if batch[i].node != "" {
			to[0] = batch[i].node
		} else if user, ok := addressee(batch[i].signal); ok && err == nil {
			to = nodes[user]
		}
		if len(to) > 0 {
			out.add(d.origin, to, appendSignal(nil, batch[i].signal))
		}
	}
	return out.messages(nil)
}

// addressee returns the user whose nodes a signal is for. A signal without one is for
// all nodes: each knows the members of a conversation that it has, and the watchers of
// a user.
func addressee(s domain.Signal) (user domain.UserID, ok bool) {
	switch s := s.(type) {
	case domain.UserFrame:
		return s.User, true
	case domain.EndSessions:
		return s.User, true
	default:
		return "", false
	}
}

// union returns the nodes of all of the users, each once.
func union(users []domain.UserID, nodesOf map[domain.UserID][]domain.NodeID) (nodes []domain.NodeID) {
	for _, user := range users {
		for _, node := range nodesOf[user] {
			if !slices.Contains(nodes, node) {
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

// payloads are the encoded messages of a batch, by destination.
type payloads map[domain.NodeID][]byte

func (p payloads) add(from origin, to []domain.NodeID, record []byte) {
	for _, node := range to {
		if p[node] == nil {
			p[node] = appendHeader(make([]byte, 0, headerSize+len(record)), from)
		}
		p[node] = append(p[node], record...)
	}
}

func (p payloads) messages(traced *traces) []*message.Message {
	msgs := make([]*message.Message, 0, len(p))
	for node, payload := range p {
		msg := message.NewMessage("", payload)
		msg.Metadata.Set(destination, string(node))
		traced.attach(msg, node)
		msgs = append(msgs, msg)
	}
	return msgs
}

// source is the Watermill subscriber that feeds the handler "dispatch" from a bounded
// queue. Route turns a batch of items into messages, one for each destination. The
// router handles the messages of a batch concurrently, so that nodes do not wait for
// one another. The next batch follows when all of them were handled, which keeps the
// order for each destination.
type source[T any] struct {
	queue *queue.Queue[T]
	route func(context.Context, []T) []*message.Message
}

var _ message.Subscriber = (*source[int])(nil)

// Subscribe implements message.Subscriber. It may be called once.
func (s *source[T]) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for batch := range s.queue.Batches(ctx, batchBytes) {
			broker.HandOver(ctx, out, s.route(ctx, batch)...)
		}
	}()
	return out, nil
}

// Close implements message.Subscriber. The context of Subscribe ends a source.
func (s *source[T]) Close() error { return nil }
