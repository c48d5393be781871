package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"im/domain"
)

// kafkaTransport publishes to a topic by an idempotent producer, with acks=all. The key is
// the conversation, so that its events have one partition.
//
// The client puts events of several calls into one batch, and the broker takes or refuses
// the batch as a whole. A refusal says nothing of an event before that has been alone in a
// batch, which is what the second client is for.
type kafkaTransport struct {
	address *Address
	closing sync.WaitGroup
	turn    chan struct{} // has room for the call that uses the second client

	mu      sync.Mutex
	closed  bool
	clients [2]*kgo.Client // nil: the next call makes one
}

// The clients of a kafkaTransport.
const (
	together = iota
	alone
)

const (
	kafkaDelivery = 8 * time.Second // for a record, with all retries
	kafkaRequest  = 5 * time.Second
	kafkaMetadata = 500 * time.Millisecond // between two looks for the leaders of partitions
	kafkaBackoff  = 200 * time.Millisecond
)

// kafkaBatch bounds a batch of the first client, so that topics with the smallest limit that
// the documentation asks for take it. kafkaLargest bounds an event: the broker's limit is
// what counts.
const (
	kafkaBatch   = 250_000
	kafkaHeaders = 2_000 // more than what a batch has beside the body of its only event
	kafkaLargest = 64 << 20
)

func newKafka(a *Address) *kafkaTransport {
	return &kafkaTransport{address: a, turn: make(chan struct{}, 1)}
}

// Publish implements transport.
func (t *kafkaTransport) Publish(ctx context.Context, list []domain.StreamMessage) (done int, err error) {
	refused := false // a batch was
	for done < len(list) {
		next := list[done:]
		single := refused || isLarge(next[0])
		if single {
			next = next[:1]
		} else if i := slices.IndexFunc(next, isLarge); i > 0 {
			next = next[:i]
		}
		n, err := t.send(ctx, next, single)
		done += n
		switch {
		case err == nil:
		case isRefusal(err) && !single:
			refused = true
		case isRefusal(err):
			return done, &domain.RefusedError{Reason: "Kafka: " + err.Error()}
		default:
			return done, fmt.Errorf("Kafka: %w", err)
		}
	}
	return done, nil
}

func isLarge(m domain.StreamMessage) bool { return len(m.Body) > kafkaBatch-kafkaHeaders }

func isRefusal(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) || errors.Is(err, kerr.InvalidRecord)
}

// send sends events, or a single one in a batch of its own.
func (t *kafkaTransport) send(ctx context.Context, list []domain.StreamMessage, single bool) (int, error) {
	which := together
	if single {
		which = alone
		select {
		case t.turn <- struct{}{}:
			defer func() { <-t.turn }()
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	client, err := t.open(which)
	if err != nil {
		return 0, err
	}
	type outcome struct {
		index int
		err   error
	}
	done := make(chan outcome, len(list))
	for i := range list {
		client.Produce(ctx, record(&list[i]), func(_ *kgo.Record, err error) { done <- outcome{i, err} })
	}
	outcomes := make([]error, len(list))
	for i := range outcomes {
		outcomes[i] = errNotSent
	}
	for range list {
		select {
		case o := <-done:
			outcomes[o.index] = o.err
		case <-ctx.Done():
			// The client goes on with what it has, and would be in the way of the same
			// events when they are published again.
			t.reset(which, client)
			n, _ := stored(outcomes)
			return n, ctx.Err()
		}
	}
	return stored(outcomes)
}

// record returns an event as Kafka gets it. Its timestamp is that of the publishing: by it,
// the client measures how long a record waits, and the topic how long it is kept.
func record(m *domain.StreamMessage) *kgo.Record {
	return &kgo.Record{
		Key: []byte(m.ConversationID.String()), Value: m.Body,
		Headers: []kgo.RecordHeader{
			{Key: "webhook-id", Value: []byte(m.ID)},
			{Key: "type", Value: []byte(m.RoutingKey())},
			{Key: "content-type", Value: []byte("application/json")},
		},
	}
}

func (t *kafkaTransport) open(which int) (*kgo.Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	if client := t.clients[which]; client != nil {
		return client, nil
	}
	client, err := kgo.NewClient(append(t.options(), kgo.ProducerBatchMaxBytes([]int32{kafkaBatch, kafkaLargest}[which]))...)
	if err != nil {
		return nil, err
	}
	t.clients[which] = client
	return client, nil
}

func (t *kafkaTransport) options() []kgo.Opt {
	a := t.address
	list := []kgo.Opt{
		kgo.SeedBrokers(a.hosts...), kgo.ClientID("im-events"), kgo.DefaultProduceTopic(a.name), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(kafkaDelivery), kgo.ProduceRequestTimeout(kafkaRequest),
		kgo.RequestTimeoutOverhead(kafkaRequest), kgo.RetryTimeout(kafkaDelivery), kgo.MetadataMinAge(kafkaMetadata),
		kgo.RetryBackoffFn(func(int) time.Duration { return kafkaBackoff }),
		kgo.Dialer(func(ctx context.Context, _, host string) (net.Conn, error) { return dial(ctx, a, host) }),
	}
	switch a.sasl {
	case "plain":
		list = append(list, kgo.SASL(plain.Auth{User: a.user, Pass: a.password}.AsMechanism()))
	case "scram-sha-256":
		list = append(list, kgo.SASL(scramAuth(a).AsSha256Mechanism()))
	case "scram-sha-512":
		list = append(list, kgo.SASL(scramAuth(a).AsSha512Mechanism()))
	}
	return list
}

func scramAuth(a *Address) scram.Auth { return scram.Auth{User: a.user, Pass: a.password} }

// reset lets the next call make a new client.
func (t *kafkaTransport) reset(which int, client *kgo.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clients[which] == client {
		t.clients[which] = nil
		t.closing.Go(client.Close)
	}
}

// check implements transport.
func (t *kafkaTransport) check(ctx context.Context) error {
	client, err := t.open(together)
	if err != nil {
		return fmt.Errorf("Kafka: %w", err)
	}
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(t.address.name)
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("Kafka: %w", err)
	}
	for _, found := range answer.Topics {
		if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
			return fmt.Errorf("Kafka: the topic %s: %w", t.address.name, err)
		}
	}
	return nil
}

// Close implements transport.
func (t *kafkaTransport) Close() {
	t.mu.Lock()
	clients := t.clients
	t.clients, t.closed = [2]*kgo.Client{}, true
	t.mu.Unlock()
	for _, client := range clients {
		if client != nil {
			t.closing.Go(client.Close)
		}
	}
	t.closing.Wait()
}
