package routing

import (
	"context"
	"strconv"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"im/domain"
	"im/internal/tracing"
)

const (
	// traceHeader is the metadata of a message, and so the AMQP header, with the traces of
	// its events: their index in the message and a W3C traceparent, such as
	// 0=00-…-01,7=00-…-01. Several events share a message, so the header traceparent of
	// the standard would not do.
	traceHeader = "im-traceparents"
	// maxTraced is how many events of a message may be traced. All headers of an AMQP
	// message must fit into one frame, for which a server may allow only 4 KiB.
	maxTraced = 60
)

// traces are the spans of the messages to other nodes that are being routed. A nil traces
// has none.
type traces struct {
	tracer *tracing.Tracer
	to     map[domain.NodeID]*tracedMessage
}

// tracedMessage is what one message has of traces.
type tracedMessage struct {
	events int // so far
	spans  []*tracing.Span
	header []string
}

// newTraces returns nil if there are no traces.
func newTraces(t *tracing.Tracer) *traces {
	if t == nil {
		return nil
	}
	return &traces{t, make(map[domain.NodeID]*tracedMessage)}
}

// add begins a span for each traced event of a commit and for each node that it is sent to.
func (t *traces) add(to []domain.NodeID, c *domain.Committed) {
	if t == nil {
		return
	}
	for _, node := range to {
		m := t.to[node]
		if m == nil {
			m = new(tracedMessage)
			t.to[node] = m
		}
		for i := range c.Events {
			if len(c.Traces) > 0 && len(m.spans) < maxTraced {
				m.begin(t.tracer, node, &c.Events[i], c.Traces[i])
			}
			m.events++
		}
	}
}

func (m *tracedMessage) begin(t *tracing.Tracer, to domain.NodeID, e *domain.Event, parent string) {
	span := t.After(parent, "dispatch", trace.SpanKindProducer)
	if span == nil {
		return
	}
	span.Set(attribute.String("im.conversation_id", e.ConversationID.String()), attribute.Int64("im.seq", e.Seq), attribute.String("im.to_node", string(to)))
	m.spans = append(m.spans, span)
	m.header = append(m.header, strconv.Itoa(m.events)+"="+span.Traceparent())
}

// attach gives a message the header, and the handler "dispatch" its spans.
func (t *traces) attach(msg *message.Message, to domain.NodeID) {
	if t == nil || t.to[to] == nil || len(t.to[to].spans) == 0 {
		return
	}
	msg.Metadata.Set(traceHeader, strings.Join(t.to[to].header, ","))
	msg.SetContext(context.WithValue(msg.Context(), spansKey{}, t.to[to].spans))
}

// spansKey is the key of the spans that end when a message is published.
type spansKey struct{}

// endSpans ends the spans of a message that was published, or was not because of err.
func endSpans(msg *message.Message, err error) {
	spans, _ := msg.Context().Value(spansKey{}).([]*tracing.Span)
	code := ""
	if err != nil && len(spans) > 0 {
		code = string(domain.CodeUnavailable)
	}
	for _, span := range spans {
		span.End(code)
	}
}

// readTraces sets the traces of commits that came in a message. What cannot be read is
// ignored.
func readTraces(header string, commits []domain.Committed) {
	if header == "" {
		return
	}
	of := make(map[int]string)
	for entry := range strings.SplitSeq(header, ",") {
		index, traceparent, _ := strings.Cut(entry, "=")
		if i, err := strconv.Atoi(index); err == nil && len(of) < maxTraced {
			of[i] = traceparent
		}
	}
	n := 0
	for i := range commits {
		c := &commits[i]
		for j := range c.Events {
			if traceparent, traced := of[n]; traced {
				if c.Traces == nil {
					c.Traces = make(map[int]string)
				}
				c.Traces[j] = traceparent
			}
			n++
		}
	}
}
