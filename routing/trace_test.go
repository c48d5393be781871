package routing

import (
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"im/domain"
	"im/internal/tracing"
)

const parentOfTest = "00-11111111111111111111111111111111-2222222222222222-01"

// TestTraceHeader: the traces of a message reach the events that they belong to, however
// many others share the AMQP message.
func TestTraceHeader(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	commits := []domain.Committed{
		{Events: make([]domain.Event, 2)},
		{Events: make([]domain.Event, 3), Traces: map[int]string{1: parentOfTest}},
		{Events: make([]domain.Event, 1), Traces: map[int]string{0: parentOfTest}},
		{Events: make([]domain.Event, 1), Traces: map[int]string{0: "broken"}},
	}
	all := newTraces(tracer)
	for i := range commits {
		all.add([]domain.NodeID{"b"}, &commits[i])
	}
	all.add([]domain.NodeID{"c"}, &commits[2])
	msg := message.NewMessage("", nil)
	all.attach(msg, "b")
	header := msg.Metadata.Get(traceHeader)
	require.Len(t, strings.Split(header, ","), 2, header)

	got := []domain.Committed{{Events: commits[0].Events}, {Events: commits[1].Events}, {Events: commits[2].Events}, {Events: commits[3].Events}}
	readTraces(header, got)
	require.Nil(t, got[0].Traces)
	require.Len(t, got[1].Traces, 1)
	require.Len(t, got[2].Traces, 1)
	require.Nil(t, got[3].Traces)
	require.Empty(t, recorder.Ended())
	endSpans(msg, nil)
	ended := recorder.Ended()
	require.Len(t, ended, 2, "the spans of the message to b; that to c waits")
	for i, s := range ended {
		require.Contains(t, []map[int]string{got[1].Traces, got[2].Traces}[i][1-i], s.SpanContext().SpanID().String())
		require.Equal(t, "2222222222222222", s.Parent().SpanID().String())
	}
	other := message.NewMessage("", nil)
	all.attach(other, "c")
	require.True(t, strings.HasPrefix(other.Metadata.Get(traceHeader), "0="))
}

// TestTraceHeaderIsBounded: a header fits into the smallest frame of AMQP.
func TestTraceHeaderIsBounded(t *testing.T) {
	all := newTraces(tracing.New(sdktrace.NewTracerProvider()))
	for range 2000 {
		all.add([]domain.NodeID{"b"}, &domain.Committed{Events: make([]domain.Event, 1), Traces: map[int]string{0: parentOfTest}})
	}
	msg := message.NewMessage("", nil)
	all.attach(msg, "b")
	header := msg.Metadata.Get(traceHeader)
	require.Less(t, len(header), 4096-256)
	require.Equal(t, maxTraced, strings.Count(header, "="))
}

// TestTraceHeaderOfOthers: what cannot be read is ignored.
func TestTraceHeaderOfOthers(t *testing.T) {
	for _, header := range []string{"", ",", "=", "x=y", "-1=" + parentOfTest, "99999999999999999999=" + parentOfTest, strings.Repeat("7=x,", 5000)} {
		commits := []domain.Committed{{Events: make([]domain.Event, 1)}}
		readTraces(header, commits)
		require.Nil(t, commits[0].Traces, header)
	}
}
