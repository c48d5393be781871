package tracing

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func recorded(sampler sdktrace.Sampler) (*Tracer, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return New(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler))), recorder
}

// TestSpans: spans are within the one that they were begun after.
func TestSpans(t *testing.T) {
	tracer, recorder := recorded(sdktrace.AlwaysSample())
	ctx, request := tracer.Request(t.Context(), "request", time.Now())
	require.Same(t, request, FromContext(ctx))
	inner := tracer.Within(ctx, "inner")
	after := tracer.After(inner.Traceparent(), "after", trace.SpanKindConsumer)
	for range maxRecords + 5 {
		after.Record("write")
	}
	inner.Link(after)
	after.End("")
	inner.End("unavailable")
	request.End("invalid")

	ended := recorder.Ended()
	require.Len(t, ended, maxRecords+3, "the number of records is bounded")
	spans := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range ended {
		spans[s.Name()] = s
		require.Equal(t, spans["write"].SpanContext().TraceID(), s.SpanContext().TraceID())
	}
	require.Equal(t, spans["after"].SpanContext().SpanID(), spans["write"].Parent().SpanID())
	require.Equal(t, spans["inner"].SpanContext().SpanID(), spans["after"].Parent().SpanID())
	require.Equal(t, spans["request"].SpanContext().SpanID(), spans["inner"].Parent().SpanID())
	require.Equal(t, "Error", spans["inner"].Status().Code.String())
	require.Equal(t, "Unset", spans["request"].Status().Code.String(), "the client's mistakes are no errors of the server")
}

// TestNoSpans: without a tracer, and for a request that is not sampled, everything is nil,
// costs no allocation, and does nothing.
func TestNoSpans(t *testing.T) {
	never, recorder := recorded(sdktrace.ParentBased(sdktrace.NeverSample()))
	for _, tracer := range []*Tracer{nil, never} {
		ctx, span := tracer.Request(t.Context(), "request", time.Now())
		require.Nil(t, span)
		require.Nil(t, FromContext(ctx))
		require.Nil(t, tracer.Within(ctx, "inner"))
		require.Empty(t, span.Traceparent())
		span.Set()
		span.Link(span)
		span.Record("write")
		span.End("internal")
		require.Equal(t, ctx, span.Context(ctx))
	}
	require.Empty(t, recorder.Ended())
	var off *Tracer
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		within, span := off.Request(ctx, "request", time.Time{})
		off.Within(within, "inner").End("")
		off.After("", "after", trace.SpanKindConsumer).Record("write")
		span.End("")
	}))
}

// TestTraceparent: what another node sends may be anything.
func TestTraceparent(t *testing.T) {
	tracer, _ := recorded(sdktrace.ParentBased(sdktrace.NeverSample()))
	good := "00-11111111111111111111111111111111-2222222222222222-01"
	require.NotNil(t, tracer.After(good, "x", trace.SpanKindConsumer))
	for _, bad := range []string{
		"", "00", good + "0", good[:54] + "x", "01" + good[2:], "00-00000000000000000000000000000000-2222222222222222-01",
		"00-11111111111111111111111111111111-0000000000000000-01", "00-1111111111111111111111111111111X-2222222222222222-01",
		"00-11111111111111111111111111111111-2222222222222222-00",
	} {
		require.Nil(t, tracer.After(bad, "x", trace.SpanKindConsumer), bad)
	}
}
