package edge

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

// TestLogHandler: entries carry the ids of their context, and no others.
func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(LogHandler(slog.NewTextHandler(&out, nil))).With("component", "x")
	session := WithLog(t.Context(), LogSession, "s1")
	one, two := WithLog(session, LogRequest, "r1"), WithLog(session, LogRequest, "r2")
	for ctx, want := range map[string]string{"one": "session_id=s1 request_id=r1", "two": "session_id=s1 request_id=r2"} {
		out.Reset()
		if ctx == "one" {
			logger.InfoContext(one, "entry")
		} else {
			logger.InfoContext(two, "entry")
		}
		require.Contains(t, out.String(), `msg=entry component=x `+want)
	}
	out.Reset()
	traced := trace.ContextWithSpanContext(one, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	logger.InfoContext(traced, "entry")
	require.Contains(t, out.String(), "session_id=s1 request_id=r1 trace_id=01000000000000000000000000000000")
	out.Reset()
	logger.InfoContext(trace.ContextWithSpanContext(one, trace.SpanContextFromContext(traced).WithTraceFlags(0)), "entry")
	require.NotContains(t, out.String(), "trace_id", "nothing is exported that it could lead to")
	out.Reset()
	logger.Info("entry")
	require.NotContains(t, out.String(), "_id")
}
