package reference

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im"
)

func page(t *testing.T) string {
	t.Helper()
	html, err := Render(im.OpenAPI(), im.AsyncAPI())
	require.NoError(t, err)
	return string(html)
}

// TestEverythingIsThere: each operation, frame and schema of the documents has a section.
func TestEverythingIsThere(t *testing.T) {
	html := page(t)
	calls, err := parse(im.OpenAPI())
	require.NoError(t, err)
	for _, path := range calls.get("paths").fields() {
		for _, method := range path.value.fields() {
			if method.name != "parameters" {
				require.Contains(t, html, `id="`+method.value.get("operationId").text()+`"`)
			}
		}
	}
	for _, s := range calls.get("components", "schemas").fields() {
		require.Contains(t, html, `id="rest-`+s.name+`"`)
	}
	socket, err := parse(im.AsyncAPI())
	require.NoError(t, err)
	for _, m := range socket.get("channels", "socket", "messages").fields() {
		require.Contains(t, html, `id="frame-`+m.name+`"`)
	}
	for _, s := range socket.get("components", "schemas").fields() {
		require.Contains(t, html, `id="frames-`+s.name+`"`)
	}
}

// TestLinks: every link of the page leads to a section that is there once, or to a file of
// the node. Nothing comes from another server.
func TestLinks(t *testing.T) {
	html := page(t)
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		require.Equal(t, 1, n, id)
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		id, inside := strings.CutPrefix(m[1], "#")
		if inside {
			require.Contains(t, ids, id)
			continue
		}
		require.Contains(t, []string{"icon.svg", "docs/reference.css", "docs/reference.js", "openapi.yaml", "asyncapi.yaml"}, m[1], "relative, so that it works under a prefix")
	}
}

func TestSchemaInWords(t *testing.T) {
	for text, want := range map[string]string{
		`{type: string}`: "string",
		`{type: string, nullable: true, minLength: 1, maxLength: 64}`:                           "string or null, 1 to 64 characters",
		`{type: [string, 'null']}`:                                                              "string or null",
		`{type: integer, minimum: 1}`:                                                           "integer, at least 1",
		`{type: array, items: {type: string}, maxItems: 3}`:                                     "array of string, at most 3 items",
		`{type: string, enum: [a, b]}`:                                                          "<code>&#34;a&#34;</code>, <code>&#34;b&#34;</code>",
		`{const: hello}`:                                                                        "<code>&#34;hello&#34;</code>",
		`{type: object, additionalProperties: {type: integer}}`:                                 "object of integer",
		`{$ref: '#/components/schemas/Event'}`:                                                  `<a href="#rest-Event">Event</a>`,
		`{allOf: [{$ref: '#/components/schemas/Event'}], description: The last.}`:               `<a href="#rest-Event">Event</a>`,
		`{oneOf: [{type: string}, {$ref: '#/components/schemas/Event'}]}`:                       `string or <a href="#rest-Event">Event</a>`,
		`{description: Anything.}`:                                                              "any JSON",
		`{type: array, items: {$ref: '#/components/schemas/UserID'}, minItems: 1, maxItems: 2}`: `array of <a href="#rest-UserID">UserID</a>, 1 to 2 items`,
	} {
		n, err := parse([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, string(schemas{"rest-"}.words(n)), text)
	}
}

// TestMarkdownIsEscaped: a description cannot bring markup of its own.
func TestMarkdownIsEscaped(t *testing.T) {
	require.NotContains(t, string(prose("a <script>alert(1)</script> [x](javascript:alert(1))")), "<script>")
	require.NotContains(t, string(prose("[x](javascript:alert(1))")), "javascript:")
}

func TestHandler(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	handler := Handler(im.OpenAPI(), im.AsyncAPI(), next)
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	w := get(http.MethodGet, "/docs")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self'")
	require.NotContains(t, w.Body.String(), "style=", "the policy forbids inline styles")
	require.Equal(t, "text/css; charset=utf-8", get(http.MethodGet, "/docs/reference.css").Header().Get("Content-Type"))
	require.Equal(t, "text/javascript; charset=utf-8", get(http.MethodHead, "/docs/reference.js").Header().Get("Content-Type"))
	for _, other := range []*httptest.ResponseRecorder{get(http.MethodPost, "/docs"), get(http.MethodGet, "/docs/"), get(http.MethodGet, "/docs/x"), get(http.MethodGet, "/")} {
		require.Equal(t, http.StatusTeapot, other.Code)
	}
}
