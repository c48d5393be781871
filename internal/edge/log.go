package edge

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// The names of the ids that log entries carry.
const (
	LogRequest = "request_id" // the X-Request-Id of a call, or the id of a frame
	LogSession = "session_id"
	LogTrace   = "trace_id" // of entries within a request or batch that is traced
)

// logAttrs is the key of the attributes that a context has for the log.
type logAttrs struct{}

// WithLog returns a context whose log entries carry one more attribute.
func WithLog(ctx context.Context, name, value string) context.Context {
	before, _ := ctx.Value(logAttrs{}).([]slog.Attr)
	return context.WithValue(ctx, logAttrs{}, append(before[:len(before):len(before)], slog.String(name, value)))
}

// LogHandler returns a handler that adds the attributes of the context, and the id of its
// trace, to each entry and passes it to next.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, _ := ctx.Value(logAttrs{}).([]slog.Attr); len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r = r.Clone()
		r.AddAttrs(slog.String(LogTrace, span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
