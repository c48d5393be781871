package web_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/web"
)

// get returns the answer to a GET request.
func get(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	for name, values := range header {
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	web.Handler(http.NotFoundHandler()).ServeHTTP(recorder, request)
	return recorder.Result()
}

func TestHandler(t *testing.T) {
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8",
		"/im.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
	} {
		answer := get(t, path, nil)
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		require.Equal(t, kind, answer.Header.Get("Content-Type"))
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-cache", answer.Header.Get("Cache-Control"))
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NotEmpty(t, body)

		again := get(t, path, http.Header{"If-None-Match": {answer.Header.Get("ETag")}})
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
	}
	policy := get(t, "/", nil).Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} {
		require.Contains(t, policy, part)
	}
	require.NotContains(t, policy, "unsafe")
	for _, path := range []string{"/nothing", "/web.go", "/e2e/package.json", "/../go.mod", "/style.css/"} {
		require.Equal(t, http.StatusNotFound, get(t, path, nil).StatusCode, path)
	}
	recorder := httptest.NewRecorder()
	web.Handler(http.NotFoundHandler()).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusNotFound, recorder.Code, "only GET and HEAD are served")
}

// TestFiles: the files name no other origin, create no markup from strings, and refer only
// to files that exist.
func TestFiles(t *testing.T) {
	here := os.DirFS(".")
	files, err := fs.Glob(here, "*.*")
	require.NoError(t, err)
	named := regexp.MustCompile(`(?:from '\./|src="|href=")([a-z.]+)`)
	foreign := regexp.MustCompile(`(?:https?:)?//[a-z0-9]`)
	inline := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\son[a-z]+="|style="|<script>|eval\(`)
	for _, name := range files {
		if strings.HasSuffix(name, ".go") {
			continue
		}
		data, err := fs.ReadFile(here, name)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		require.NotRegexp(t, inline, text, name)
		require.NotRegexp(t, foreign, text, name)
		for _, found := range named.FindAllStringSubmatch(text, -1) {
			require.Contains(t, files, found[1], name)
		}
	}
}
