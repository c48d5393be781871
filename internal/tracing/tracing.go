package tracing

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxRecords bounds the spans of Record within one span: a message may go to thousands of
// sockets.
const maxRecords = 32

// Tracer begins spans. A nil Tracer begins none.
type Tracer struct {
	provider trace.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracer whose spans go to a provider.
func New(provider trace.TracerProvider) *Tracer { return &Tracer{provider, provider.Tracer("im")} }

// Provider returns where the spans go.
func (t *Tracer) Provider() trace.TracerProvider { return t.provider }

// Span is a span that is exported when it ends. A nil Span is one that is not: its methods
// do nothing.
type Span struct {
	span    trace.Span
	tracer  trace.Tracer
	began   time.Time
	records atomic.Int32
}

// key is the key of the Span in a context. The key of OpenTelemetry has only its inner
// span.
type key struct{}

// FromContext returns the span of a context; nil if there is none.
func FromContext(ctx context.Context) *Span {
	span, _ := ctx.Value(key{}).(*Span)
	return span
}

// Request begins the span of a request, and returns a context with it. A sampler decides
// whether there is one.
func (t *Tracer) Request(ctx context.Context, name string, began time.Time) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	return t.begin(ctx, name, trace.SpanKindServer, began)
}

// CallerOf returns a context in which Request continues the trace of the caller, if the
// headers name one (W3C Trace Context).
func CallerOf(ctx context.Context, h http.Header) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h))
}

// Within begins a span within that of the context; nil if the context has none.
func (t *Tracer) Within(ctx context.Context, name string) *Span {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	_, span := t.begin(ctx, name, trace.SpanKindInternal, time.Now())
	return span
}

// After begins a span within the one of a traceparent, which may be of another node; nil
// if there is none, or it cannot be read.
func (t *Tracer) After(traceparent, name string, kind trace.SpanKind) *Span {
	if t == nil {
		return nil
	}
	parent, err := parse(traceparent)
	if err != nil {
		return nil
	}
	_, span := t.begin(trace.ContextWithRemoteSpanContext(context.Background(), parent), name, kind, time.Now())
	return span
}

func (t *Tracer) begin(ctx context.Context, name string, kind trace.SpanKind, began time.Time) (context.Context, *Span) {
	within, inner := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began))
	if !inner.SpanContext().IsSampled() {
		return ctx, nil
	}
	span := &Span{span: inner, tracer: t.tracer, began: began}
	return context.WithValue(within, key{}, span), span
}

// Context returns a context in which spans are within this one.
func (s *Span) Context(ctx context.Context) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(trace.ContextWithSpan(ctx, s.span), key{}, s)
}

// Traceparent returns the span as the header traceparent has it (W3C Trace Context); ""
// for nil.
func (s *Span) Traceparent() string {
	if s == nil {
		return ""
	}
	c := s.span.SpanContext()
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}

// Set adds attributes.
func (s *Span) Set(attributes ...attribute.KeyValue) {
	if s != nil {
		s.span.SetAttributes(attributes...)
	}
}

// Link links to another span.
func (s *Span) Link(to *Span) {
	if s != nil && to != nil {
		s.span.AddLink(trace.Link{SpanContext: to.span.SpanContext()})
	}
}

// End ends the span. Code is that of the error that it ended with; "" without one. Only
// what is the server's fault is an error for those who search traces.
func (s *Span) End(code string) {
	if s == nil {
		return
	}
	if code != "" {
		s.span.SetAttributes(attribute.String("im.code", code))
		if code == "internal" || code == "unavailable" {
			s.span.SetStatus(codes.Error, code)
		}
	}
	s.span.End()
}

// Record adds a span within this one, which began with this one and ends now. Only the
// first few are kept.
func (s *Span) Record(name string, attributes ...attribute.KeyValue) {
	if s == nil || s.records.Add(1) > maxRecords {
		return
	}
	_, span := s.tracer.Start(trace.ContextWithSpan(context.Background(), s.span), name,
		trace.WithTimestamp(s.began), trace.WithAttributes(attributes...))
	span.End()
}

var errTraceparent = errors.New("not a traceparent")

// parse parses a traceparent of Span.Traceparent.
func parse(text string) (trace.SpanContext, error) {
	const length = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(text) != length || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return trace.SpanContext{}, errTraceparent
	}
	var flags [1]byte
	id, badID := trace.TraceIDFromHex(text[3:35])
	span, badSpan := trace.SpanIDFromHex(text[36:52])
	_, badFlags := hex.Decode(flags[:], []byte(text[53:]))
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags[0]), Remote: true}),
		errors.Join(badID, badSpan, badFlags)
}
