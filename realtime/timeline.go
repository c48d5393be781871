package realtime

import (
	"bytes"
	"context"

	"go.opentelemetry.io/otel/attribute"

	"im/internal/edge"
	"im/internal/timeline"
	"im/internal/tracing"
	"im/realtime/ws"
)

// endSpan ends the span of a request, if the context has one.
func endSpan(ctx context.Context, err error) {
	span := tracing.FromContext(ctx)
	switch {
	case span == nil:
	case err != nil:
		span.End(string(edge.Coded(err).Code))
	default:
		span.End("")
	}
}

// traceWritten adds spans for the events that were written: from the push to now.
func (k *socket) traceWritten(origins []*ws.Origin) {
	for _, o := range origins {
		if o.Span != nil { // then there is a session, to which it was pushed
			o.Span.Record("write", attribute.String("im.session_id", string(k.session.ID)))
		}
	}
}

// markWritten marks the messages whose answers and events were written. It runs only
// while a trace is taken, so it searches frames instead of remembering what is in them.
func markWritten(frames [][]byte) {
	if !timeline.On() {
		return
	}
	for _, frame := range frames {
		stage := timeline.Delivered
		if bytes.Contains(frame, []byte(`{"type":"sent"`)) {
			stage = timeline.Answered
		}
		if _, rest, ok := bytes.Cut(frame, []byte(`"client_msg_id":"`)); ok {
			key, _, _ := bytes.Cut(rest, []byte(`"`))
			timeline.Mark(stage, string(key))
		}
	}
}
