package webhook

import (
	"context"
	"errors"
	"strings"
	"time"

	"im/domain"
)

// Stream is a message broker that takes every event.
type Stream interface {
	// Transport names the protocol of the broker.
	Transport() string
	// Publish publishes messages of one conversation in their order, and waits until the
	// broker has stored them. It returns how many of them it has stored, from the first one
	// on. If these are not all, the error says why the next one was not stored: it is a
	// domain.RefusedError if the broker does not take that message, though it takes others.
	Publish(ctx context.Context, list []domain.StreamMessage) (stored int, err error)
	// Close closes the connections. Publish fails from then on.
	Close()
}

// sender sends what lanes owe.
type sender interface {
	// most returns how many messages send takes at most.
	most() int
	// send sends messages of one lane in order. It returns how many were taken, from the
	// first one on. The result is that of the first one that was not taken, if there is one.
	send(ctx context.Context, t *domain.WebhookTarget, list []message) (taken int, r result)
}

var (
	_ sender = (*caller)(nil)
	_ sender = streamSender{}
)

const (
	streamLanes   = 32               // in flight, of different conversations
	streamBatch   = 64               // messages of a lane at once
	streamTimeout = 10 * time.Second // for a batch
)

// streamSender is the sender of the event stream.
type streamSender struct{ stream Stream }

// most implements sender.
func (streamSender) most() int { return streamBatch }

// send implements sender.
func (s streamSender) send(ctx context.Context, _ *domain.WebhookTarget, list []message) (taken int, r result) {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	messages := make([]domain.StreamMessage, len(list))
	for i, m := range list {
		messages[i] = domain.StreamMessage{
			ID: m.id, ConversationID: m.event.ConversationID, Kind: m.kind, Type: m.event.Type, At: m.event.At, Body: m.body,
		}
	}
	began := time.Now()
	taken, err := s.stream.Publish(ctx, messages)
	r.duration = time.Since(began)
	if err != nil {
		_, refused := errors.AsType[*domain.RefusedError](err)
		r.away, r.err = !refused, reasonOf(err.Error())
	}
	return taken, r
}

// reasonOf returns an error as the store keeps it.
func reasonOf(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), errorBytes)], "\x00", ""), "")
}
