package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"im/test/leaktest"

	"im/domain"
	"im/internal/edge"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// spec is openapi.yaml.
type spec struct {
	root       map[string]any
	compiler   *jsonschema.Compiler
	operations []*operation
}

type operation struct {
	method, template string
	path             *regexp.Regexp
	doc              map[string]any
	seen             map[string]bool // the statuses that were answered
}

var placeholder = regexp.MustCompile(`\\\{[^}]*\\\}`)

func readSpec(t *testing.T) *spec {
	t.Helper()
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := &spec{compiler: jsonschema.NewCompiler()}
	if err := yaml.Unmarshal(text, &s.root); err != nil {
		t.Fatal(err)
	}
	for template, item := range s.root["paths"].(map[string]any) {
		if template == "/dev/token" {
			continue // im dev serves it: see TestTokenHandlerAsDescribed in cmd/im
		}
		pattern := "^" + placeholder.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$"
		for method, doc := range item.(map[string]any) {
			if doc, ok := doc.(map[string]any); ok {
				s.operations = append(s.operations, &operation{
					strings.ToUpper(method), template, regexp.MustCompile(pattern), doc, map[string]bool{},
				})
			}
		}
	}
	if len(s.operations) < 16 {
		t.Fatalf("only %d operations were found", len(s.operations))
	}
	document, err := json.Marshal(strict(s.root))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	s.compiler.AssertFormat()
	if err := s.compiler.AddResource("openapi.json", schema); err != nil {
		t.Fatal(err)
	}
	return s
}

// strict converts OpenAPI 3.0 schemas to JSON Schema. The result refuses fields
// that are not described.
func strict(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = strict(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			out[name] = strict(value)
		}
		if _, open := v["additionalProperties"]; !open && v["type"] == "object" && v["properties"] != nil {
			out["additionalProperties"] = false
		}
		if v["nullable"] != true {
			return out
		}
		if kind, ok := v["type"].(string); ok {
			out["type"] = []any{kind, "null"}
			return out
		}
		return map[string]any{"anyOf": []any{out, map[string]any{"type": "null"}}}
	default:
		return v
	}
}

func (s *spec) operation(method, path string) *operation {
	for _, r := range s.operations {
		if r.method == method && r.path.MatchString(path) {
			return r
		}
	}
	return nil
}

// check fails the test unless the operation is described with such an answer.
func (s *spec) check(t *testing.T, method string, u *url.URL, got *http.Response, body []byte) {
	t.Helper()
	path := ""
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") { // an escaped slash is text
		text, err := url.PathUnescape(segment)
		if err != nil {
			t.Fatal(err)
		}
		path += "/" + url.PathEscape(text)
	}
	path = strings.TrimPrefix(path, "/")
	pointer, kind := "#/components/schemas/Problem", "application/problem+json"
	if r := s.operation(method, path); r != nil {
		status := strconv.Itoa(got.StatusCode)
		responses := r.doc["responses"].(map[string]any)
		if _, described := responses[status]; described {
			r.seen[status] = true
			pointer, kind = s.schema(t, responses, status)
		}
	}
	if pointer == "" && kind == "" {
		if len(body) > 0 {
			t.Errorf("%s %s: %d with a body: %s", method, path, got.StatusCode, body)
		}
		return
	}
	if got.StatusCode < 400 && strings.HasSuffix(pointer, "Problem") {
		t.Fatalf("%s %s: status %d is not described", method, path, got.StatusCode)
	}
	if ct := got.Header.Get("Content-Type"); ct != kind {
		t.Errorf("%s %s: Content-Type %q, want %q", method, path, ct, kind)
	}
	if kind == "application/yaml" {
		return
	}
	schema, err := s.compiler.Compile("openapi.json" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s %s: %d: %v: %s", method, path, got.StatusCode, err, body)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s %s: %d is not as described: %v\n%s", method, path, got.StatusCode, err, body)
	}
}

// schema returns the schema and the media type of a described response; "" for a
// response without content.
func (s *spec) schema(t *testing.T, responses map[string]any, status string) (pointer, kind string) {
	t.Helper()
	response := responses[status].(map[string]any)
	if ref, ok := response["$ref"].(string); ok {
		name := ref[strings.LastIndex(ref, "/")+1:]
		response = s.root["components"].(map[string]any)["responses"].(map[string]any)[name].(map[string]any)
	}
	content, _ := response["content"].(map[string]any)
	for kind, media := range content {
		ref, _ := media.(map[string]any)["schema"].(map[string]any)["$ref"].(string)
		return ref, kind
	}
	return "", ""
}

// testServer is a server over a fakeBackend. It checks each of its answers against
// openapi.yaml.
type testServer struct {
	*fakeBackend
	server *Server
	spec   *spec
}

func newTestServer(t *testing.T, changes ...func(*Options)) *testServer {
	t.Helper()
	o := Options{
		Verifier: fakeVerifier{}, Limits: domain.DefaultLimits(),
		Description: []byte("openapi: 3.0.3\n"), SocketDescription: []byte("asyncapi: 3.0.0\n"), Logger: quiet,
	}
	for _, change := range changes {
		change(&o)
	}
	backend := newFakeBackend()
	o.Backend = backend.backend(o.Limits)
	server, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &testServer{backend, server, readSpec(t)}
}

type reply struct {
	*http.Response
	body []byte
}

// call sends a request and checks the answer. The header lines are "Name: value".
func (s *testServer) call(t *testing.T, token, method, path, body string, header ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Content-Type" {
			req.Header.Del(name)
		}
		req.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	s.server.ServeHTTP(rec, req)
	got := reply{rec.Result(), rec.Body.Bytes()}
	s.spec.check(t, method, req.URL, got.Response, got.body)
	return got
}

// want fails the test unless the answer has the status.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", r.StatusCode, status, r.body)
	}
	return r
}

// refused fails the test unless the answer is a problem with the code, and with
// the field unless that is "".
func (r reply) refused(t *testing.T, code domain.Code, field string) {
	t.Helper()
	var p edge.Problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("status %d, not a problem: %s", r.StatusCode, r.body)
	}
	if p.Code != code || p.Status != r.StatusCode || p.Status != StatusOf(code) {
		t.Fatalf("status %d, code %s; want %s: %s", r.StatusCode, p.Code, code, r.body)
	}
	if _, named := p.Fields[field]; field != "" && !named {
		t.Fatalf("fields %v do not name %s", p.Fields, field)
	}
}

func (r reply) event(t *testing.T) domain.Event {
	t.Helper()
	var e domain.Event
	if err := json.Unmarshal(r.body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}
