package routing

import (
	"context"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
)

// messageBytes is about where one message between nodes ends and the next begins.
const messageBytes = 1 << 20

// dispatcher holds the handlers of the router.
type dispatcher struct {
	from    origin
	local   Local
	broker  Broker
	lookups *lookups
	log     *repeatedLog
	count   *counters
}

// outbound is a signal for the sessions of its user on one node, or, where no
// node is named, on all nodes but this one.
type outbound struct {
	signal domain.Signal
	node   domain.NodeID
}

// addressee returns the user whose nodes are to be looked up for the signal. Without
// one the signal goes to all nodes: each knows the members of a conversation that it
// has, and the watchers of a user.
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

func (d *dispatcher) signalLocal(msg *message.Message) error {
	for _, s := range carried[domain.Signal](msg) {
		d.local.Signal(s)
	}
	return nil
}

// dispatch sends what was committed to the other nodes that have members.
func (d *dispatcher) dispatch(msg *message.Message) error {
	batch := carried[domain.Committed](msg)
	users := make(map[domain.UserID]struct{})
	for i := range batch {
		for _, user := range batch[i].Audience {
			users[user] = struct{}{}
		}
	}
	places, err := d.lookups.nodes(msg.Context(), users)
	out := make(outbox)
	for i := range batch {
		told := []domain.NodeID{AllNodes}
		if batch[i].Audience != nil && err == nil {
			told = nodesOf(batch[i].Audience, places)
		}
		if len(told) == 0 {
			continue
		}
		record := appendCommitted(make([]byte, 0, committedSize(&batch[i])), &batch[i])
		for _, node := range told {
			out.add(d.from, node, record)
		}
	}
	d.send(out)
	d.count.dispatched.Add(uint64(len(batch)))
	return nil
}

// nodesOf returns where any of the users is, each node once.
func nodesOf(users []domain.UserID, places map[domain.UserID][]domain.NodeID) (nodes []domain.NodeID) {
	for _, user := range users {
		for _, node := range places[user] {
			if !slices.Contains(nodes, node) {
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

// signal sends signals to the other nodes where their users have sessions, and
// those of conversations to all.
func (d *dispatcher) signal(msg *message.Message) error {
	batch := carried[outbound](msg)
	users := make(map[domain.UserID]struct{})
	for i := range batch {
		if user, ok := addressee(batch[i].signal); ok && batch[i].node == "" {
			users[user] = struct{}{}
		}
	}
	places, err := d.lookups.nodesNow(msg.Context(), users)
	out := make(outbox)
	for i := range batch {
		record := appendSignal(nil, batch[i].signal)
		user, ok := addressee(batch[i].signal)
		switch {
		case batch[i].node != "":
			out.add(d.from, batch[i].node, record)
		case err != nil, !ok:
			out.add(d.from, AllNodes, record)
		default:
			for _, node := range places[user] {
				out.add(d.from, node, record)
			}
		}
	}
	d.send(out)
	return nil
}

// send publishes once for each destination, all at the same time: nodes do not
// wait for one another.
func (d *dispatcher) send(out outbox) {
	var sending sync.WaitGroup
	for node, payloads := range out {
		sending.Go(func() {
			msgs := make([]*message.Message, len(payloads))
			for i, payload := range payloads {
				msgs[i] = message.NewMessage(watermill.NewShortUUID(), payload)
			}
			if err := d.broker.Publish(node, msgs...); err != nil {
				d.count.publish.Add(uint64(len(msgs)))
				d.log.warn("a node was not told; it reads the log", "node", node, "error", err)
				return
			}
			if node == AllNodes {
				d.count.broadcast.Add(uint64(len(msgs)))
			} else {
				d.count.sent.Add(uint64(len(msgs)))
			}
		})
	}
	sending.Wait()
}

// deliver takes what other nodes sent.
func (d *dispatcher) deliver(msg *message.Message) error {
	p, err := decode(msg.Payload)
	if err != nil {
		d.count.malformed.Add(1)
		return nil //nolint:nilerr // a message that nobody can read is counted and dropped
	}
	if p.from == d.from {
		return nil
	}
	for _, c := range p.committed {
		d.local.Push(c)
	}
	for _, s := range p.signals {
		d.local.Signal(s)
	}
	d.count.delivered.Add(uint64(len(p.committed) + len(p.signals)))
	return nil
}

// forgiving acknowledges whatever became of a message: the tail repairs what a
// handler could not do, and a second try would only hold up the rest.
func (d *dispatcher) forgiving(handle message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) (_ []*message.Message, _ error) {
		name := message.HandlerNameFromCtx(msg.Context())
		d.guard(name, func() {
			if _, err := handle(msg); err != nil && msg.Context().Err() == nil {
				d.log.warn("a handler failed", "handler", name, "error", err)
			}
		})
		return nil, nil
	}
}

// guard counts a panic of what it does.
func (d *dispatcher) guard(name string, do func()) {
	defer func() {
		if cause := recover(); cause != nil {
			d.count.panics.Add(1)
			d.log.warn("a handler panicked", "handler", name, "cause", cause)
		}
	}()
	do()
}

// outbox gathers records into messages for each destination.
type outbox map[domain.NodeID][][]byte

func (o outbox) add(from origin, to domain.NodeID, record []byte) {
	msgs := o[to]
	if n := len(msgs); n == 0 || len(msgs[n-1])+len(record) > messageBytes && len(msgs[n-1]) > headerSize {
		msgs = append(msgs, appendHeader(make([]byte, 0, headerSize+len(record)), from))
	}
	last := len(msgs) - 1
	msgs[last] = append(msgs[last], record...)
	o[to] = msgs
}

// inbox is the subscription of the handler "deliver": it follows the node from
// one id to the next.
type inbox struct {
	broker  Broker
	id      func() domain.NodeID
	renamed <-chan struct{}
}

var _ message.Subscriber = (*inbox)(nil)

// Subscribe implements message.Subscriber.
func (b *inbox) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			b.receive(ctx, out)
		}
	}()
	return out, nil
}

// receive forwards what is sent to the present id until there is another one.
func (b *inbox) receive(ctx context.Context, out chan<- *message.Message) {
	ctx, cancel := context.WithCancel(ctx)
	messages := b.broker.Subscribe(ctx, b.id())
	defer func() {
		cancel()
		for range messages { // not acknowledged, and so the last
		}
	}()
	for {
		select {
		case msg, ok := <-messages:
			if !ok {
				return
			}
			select {
			case out <- msg:
			case <-ctx.Done():
				return
			}
		case <-b.renamed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close implements message.Subscriber.
func (b *inbox) Close() error { return nil }
