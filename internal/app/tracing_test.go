package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"im/domain"
	"im/internal/edge"
	"im/test/amqptest"
	"im/test/eventually"
)

// spanStore is an OpenTelemetry collector that keeps the spans.
type spanStore struct {
	URL string

	mu    sync.Mutex
	spans []exportedSpan
	raw   []byte // all requests
}

// exportedSpan is a span with the node that sent it.
type exportedSpan struct {
	*trace.Span

	node string
}

func startCollector(t testing.TB) *spanStore {
	t.Helper()
	s := &spanStore{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.raw = append(s.raw, body...)
		for _, from := range request.ResourceSpans {
			for _, scope := range from.ScopeSpans {
				for _, span := range scope.Spans {
					s.spans = append(s.spans, exportedSpan{span, attributeOf(from.Resource.Attributes, "service.instance.id")})
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func attributeOf(attributes []*common.KeyValue, name string) string {
	for _, a := range attributes {
		if a.Key == name {
			if text, ok := a.Value.Value.(*common.AnyValue_StringValue); ok {
				return text.StringValue
			}
			return fmt.Sprint(a.Value.Value)
		}
	}
	return ""
}

func (s *spanStore) find(match func(exportedSpan) bool) (found []exportedSpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.spans {
		if match(span) {
			found = append(found, span)
		}
	}
	return found
}

// traceOf returns all spans of the trace that has an append of the conversation and a seq
// that was delivered.
func (s *spanStore) traceOf(conversation string, seq int64) []exportedSpan {
	delivered := s.find(func(e exportedSpan) bool {
		return e.Name == "deliver" && attributeOf(e.Attributes, "im.conversation_id") == conversation && slices.ContainsFunc(e.Attributes, func(a *common.KeyValue) bool {
			return a.Key == "im.seq" && a.Value.GetIntValue() == seq
		})
	})
	if len(delivered) == 0 {
		return nil
	}
	return s.find(func(e exportedSpan) bool { return bytes.Equal(e.TraceId, delivered[0].TraceId) })
}

// pathsOf returns each span of a trace as its path from the root: node:name/node:name.
func pathsOf(spans []exportedSpan) []string {
	byID := map[string]exportedSpan{}
	for _, s := range spans {
		byID[string(s.SpanId)] = s
	}
	var paths []string
	for _, s := range spans {
		path := s.node + ":" + s.Name
		for parent := s.ParentSpanId; len(parent) > 0; {
			p, known := byID[string(parent)]
			if !known {
				path = "?/" + path
				break
			}
			path = p.node + ":" + p.Name + "/" + path
			parent = p.ParentSpanId
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func traced(t *testing.T, o Options, name, url string, ratio float64) Options {
	t.Helper()
	o.Name, o.Tracing = name, Tracing{URL: url, Ratio: ratio}
	return o
}

// promptSpans makes nodes send spans soon.
func promptSpans(t *testing.T) { t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") }

// TestTraceOverTwoNodes: one trace has all spans of a message that is sent on one node and
// written to a socket of another one, over RabbitMQ.
func TestTraceOverTwoNodes(t *testing.T) {
	promptSpans(t)
	spans := startCollector(t)
	o := testOptions(t)
	o.Broker, o.Services.AMQPURL = nil, amqptest.URL()
	a := startNode(t, traced(t, o, "one", spans.URL, 1))
	b := startNode(t, traced(t, o, "two", spans.URL, 1))

	status, body := a.call("alice-of-test", http.MethodPost, "/v1/conversations", `{"kind":"direct","members":["bob-of-test"],"metadata":{"x":"words-of-metadata"}}`)
	require.Equal(t, http.StatusCreated, status, body)
	id := body[strings.Index(body, `"conversation_id":"`)+len(`"conversation_id":"`):][:36]
	alice, bob := a.socketOf("alice-of-test"), b.socketOf("bob-of-test")

	want := []string{
		"one:ws send",
		"one:ws send/one:append",
		"one:ws send/one:append/one:append batch",
		"one:ws send/one:append/one:deliver",
		"one:ws send/one:append/one:deliver/one:write",
		"one:ws send/one:append/one:dispatch",
		"one:ws send/one:append/one:dispatch/two:deliver",
		"one:ws send/one:append/one:dispatch/two:deliver/two:write",
	}
	// The tail of the log may be faster than RabbitMQ, on a busy machine. Then the next
	// message is tried.
	var whole []exportedSpan
	for try := 1; whole == nil; try++ {
		require.LessOrEqual(t, try, 5, "no message has a whole trace")
		key := fmt.Sprint("key-of-message-", try)
		write(t, alice, fmt.Sprintf(`{"type":"send","id":"r","client_msg_id":%q,"conversation_id":%q,"content":{"type":"text","text":"words-of-message"}}`, key, id))
		frame := await(t, bob, key)
		var seq int64
		_, err := fmt.Sscanf(frame[strings.Index(frame, `"seq":`):], `"seq":%d`, &seq)
		require.NoError(t, err)
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && whole == nil; time.Sleep(20 * time.Millisecond) {
			found := spans.traceOf(id, seq)
			paths := pathsOf(found)
			if !slices.ContainsFunc(want, func(path string) bool { return !slices.Contains(paths, path) }) {
				whole = found
			}
		}
	}
	var statements []string
	for _, path := range pathsOf(whole) {
		if !slices.Contains(want, path) {
			require.True(t, strings.HasPrefix(path, "one:ws send/one:append/one:append batch/one:"), "%s: only statements are left", path)
			statements = append(statements, path)
		}
	}
	require.NotEmpty(t, statements)

	of := func(node, name string) exportedSpan {
		i := slices.IndexFunc(whole, func(s exportedSpan) bool { return s.node == node && s.Name == name })
		return whole[i]
	}
	linked := func(from, to exportedSpan) bool {
		return slices.ContainsFunc(from.Links, func(l *trace.Span_Link) bool { return bytes.Equal(l.SpanId, to.SpanId) })
	}
	require.True(t, linked(of("one", "append batch"), of("one", "append")), "the batch has links to its messages")
	require.True(t, linked(of("one", "append"), of("one", "append batch")))
	require.Equal(t, trace.Span_SPAN_KIND_SERVER, of("one", "ws send").Kind)
	require.Equal(t, trace.Span_SPAN_KIND_PRODUCER, of("one", "dispatch").Kind)
	require.Equal(t, trace.Span_SPAN_KIND_CONSUMER, of("two", "deliver").Kind)
	require.Equal(t, "amqp", attributeOf(of("two", "deliver").Attributes, "im.path"))
	require.Equal(t, "local", attributeOf(of("one", "deliver").Attributes, "im.path"))
	require.Equal(t, string(b.ID()), attributeOf(of("one", "dispatch").Attributes, "im.to_node"))
	require.NotEmpty(t, attributeOf(of("two", "write").Attributes, "im.session_id"))

	eventually.True(t, "the REST call has its span", func() bool {
		return len(spans.find(func(s exportedSpan) bool { return s.Name == "POST /v1/conversations" })) == 1
	})
	spans.mu.Lock()
	defer spans.mu.Unlock()
	for _, hidden := range []string{"words-of-", "key-of-message", "-of-test", secret, tokenOf(t, "alice-of-test")[:20], "guest:guest"} {
		require.NotContains(t, string(spans.raw), hidden, "spans hold nothing that clients wrote, and no secrets")
	}
}

// callAs makes a call with a traceparent.
func (r *running) callAs(user domain.UserID, server bool, traceparent string) {
	r.t.Helper()
	token, err := Signing{Secret: secret, UserClaim: "sub"}.Sign(user, server, time.Hour)
	require.NoError(r.t, err)
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/v1/conversations", http.NoBody)
	require.NoError(r.t, err)
	request.Close = true
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Traceparent", traceparent)
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	require.NoError(r.t, response.Body.Close())
	require.Equal(r.t, http.StatusOK, response.StatusCode)
}

// TestTraceOfTheCaller: backends decide whether their calls are traced, and in which trace.
// Users decide neither.
func TestTraceOfTheCaller(t *testing.T) {
	const sampled, not = "00-11111111111111111111111111111111-2222222222222222-01", "00-33333333333333333333333333333333-4444444444444444-00"
	for name, c := range map[string]struct {
		ratio          float64
		user, traced   string
		server, itself bool // itself: in the trace of the caller
		spans          int
	}{
		"a backend that traces":         {ratio: 0, server: true, traced: sampled, itself: true, spans: 1},
		"a backend that does not trace": {ratio: 1, server: true, traced: not, spans: 0},
		"a user, ratio 0":               {ratio: 0, traced: sampled, spans: 0},
		"a user, ratio 1":               {ratio: 1, traced: sampled, spans: 1},
		"a backend without a trace":     {ratio: 1, server: true, spans: 1},
	} {
		t.Run(name, func(t *testing.T) {
			spans := startCollector(t)
			t.Run("call", func(t *testing.T) {
				var log bytes.Buffer
				o := traced(t, testOptions(t), "one", spans.URL, c.ratio)
				o.Logger = slog.New(edge.LogHandler(slog.NewTextHandler(&log, nil)))
				startNode(t, o).callAs("app", c.server, c.traced)
			}) // the node has stopped, and has sent everything
			calls := spans.find(func(s exportedSpan) bool { return s.Name == "GET /v1/conversations" })
			require.Len(t, calls, c.spans)
			for _, s := range calls {
				require.Equal(t, c.itself, fmt.Sprintf("%x", s.TraceId) == strings.Repeat("1", 32))
				require.Equal(t, c.itself, len(s.ParentSpanId) > 0)
			}
		})
	}
}

// TestTracesAreOffUnlessSet: nothing is sent without a setting, and the standard variables
// apply.
func TestTracesAreOffUnlessSet(t *testing.T) {
	spans := startCollector(t)
	for _, c := range []struct {
		env   map[string]string
		spans bool
	}{
		{map[string]string{}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": spans.URL}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": spans.URL, "OTEL_SDK_DISABLED": "true"}, false},
	} {
		t.Run(fmt.Sprint(c.env), func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			before := len(spans.find(func(exportedSpan) bool { return true }))
			t.Run("call", func(t *testing.T) {
				n := startNode(t, traced(t, testOptions(t), "one", "", 1))
				n.callAs("app", false, "")
				require.Equal(t, c.spans, n.tracer != nil)
			})
			after := len(spans.find(func(exportedSpan) bool { return true }))
			require.Equal(t, c.spans, after > before)
		})
	}
}

// TestTraceSettings: wrong settings are refused, and the error names them.
func TestTraceSettings(t *testing.T) {
	for url, want := range map[string]string{
		"http://h:4318": "http://h:4318/v1/traces", "http://h/otlp/": "http://h/otlp/v1/traces", "https://h/v1/traces": "https://h/v1/traces",
	} {
		endpoint, err := Tracing{URL: url}.endpoint()
		require.NoError(t, err)
		require.Equal(t, want, endpoint)
	}
	for _, url := range []string{"h:4318", "grpc://h:4317", "http://", "http://h?x=1", "http://u:hush@h"} {
		err := Tracing{URL: url}.check()
		require.ErrorContains(t, err, "IM_TRACE_URL", url)
		require.NotContains(t, err.Error(), "hush")
	}
	require.ErrorContains(t, Tracing{Ratio: 1.1}.check(), "IM_TRACE_RATIO")
	require.ErrorContains(t, Tracing{Ratio: -1}.check(), "IM_TRACE_RATIO")
	require.NoError(t, Tracing{Ratio: 0.5}.check())
}
