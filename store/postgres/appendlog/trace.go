package appendlog

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"

	"im/domain"
	"im/internal/tracing"
	"im/store/postgres/internal/pg"
)

// endSpan ends the span of a request.
func (r *request) endSpan(err error) {
	if r.span == nil {
		return
	}
	r.span.Set(attribute.String("im.conversation_id", r.target.String()))
	if err != nil {
		r.span.End(string(codeOf(err)))
	} else {
		r.span.End("")
	}
}

// appendTraced is appendBatch within a span.
func (c *committer) appendTraced(ctx context.Context, id uuid.UUID, picked []*request, began time.Time) error {
	ctx, span := c.traceBatch(ctx, id, picked)
	err := c.appendBatch(ctx, id, picked, began)
	endBatchSpan(span, err)
	return err
}

// traceBatch begins the span of an attempt at a batch: within that of the first request
// that is traced, and linked with those of all. It is nil if no request is traced.
func (c *committer) traceBatch(ctx context.Context, id uuid.UUID, picked []*request) (context.Context, *tracing.Span) {
	var span *tracing.Span
	for _, r := range picked {
		if r.span == nil {
			continue
		}
		if span == nil {
			span = c.log.options.Tracer.Within(r.span.Context(ctx), "append batch")
			span.Set(attribute.String("im.batch_id", id.String()), attribute.Int("im.batch_commands", len(picked)))
		}
		span.Link(r.span)
		r.span.Link(span)
	}
	return span.Context(ctx), span
}

func endBatchSpan(span *tracing.Span, err error) {
	if span == nil {
		return
	}
	if refused, ok := errors.AsType[*appendError](err); ok {
		span.Set(attribute.String("im.sql_state", pg.SQLState(refused)))
	}
	if err != nil {
		span.End(string(domain.CodeUnavailable))
	} else {
		span.End("")
	}
}

// traces returns the traces of a commit, with those of the n events from first on, which
// the request has made.
func (r *request) traces(before map[int]string, first, n int) map[int]string {
	if r.span == nil || n == 0 {
		return before
	}
	if before == nil {
		before = make(map[int]string, n)
	}
	for i := range n {
		before[first+i] = r.span.Traceparent()
	}
	return before
}
