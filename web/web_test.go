package web_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
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
		"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/page/base.css": "text/css; charset=utf-8",
		"/im.js": "text/javascript; charset=utf-8", "/push-worker.js": "text/javascript; charset=utf-8", "/page/main.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
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
	for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'", "img-src 'self' https: http:;", "object-src 'none'", "base-uri 'none'"} {
		require.Contains(t, policy, part)
	}
	require.NotContains(t, policy, "unsafe")
	elsewhere := httptest.NewRecorder()
	web.Handler(http.NotFoundHandler(), "https://files.example").ServeHTTP(elsewhere, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, policy+" https://files.example", elsewhere.Header().Get("Content-Security-Policy"), "where files are uploaded to")
	for _, path := range []string{"/nothing", "/web.go", "/e2e/package.json", "/../go.mod", "/page", "/page/", "/page/base.css/", "/client/README.md"} {
		require.Equal(t, http.StatusNotFound, get(t, path, nil).StatusCode, path)
	}
	recorder := httptest.NewRecorder()
	web.Handler(http.NotFoundHandler()).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusNotFound, recorder.Code, "only GET and HEAD are served")
}

// getAdmin returns the answer of the admin page to a request.
func getAdmin(t *testing.T, method, path string) *http.Response {
	t.Helper()
	recorder := httptest.NewRecorder()
	web.Admin().ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
	return recorder.Result()
}

// TestAdmin: the admin page and its files come with headers that keep other pages out.
func TestAdmin(t *testing.T) {
	for path, kind := range map[string]string{
		"/admin/": "text/html; charset=utf-8", "/admin/admin.html": "text/html; charset=utf-8", "/admin/admin/main.js": "text/javascript; charset=utf-8",
		"/admin/admin/layout.css": "text/css; charset=utf-8", "/admin/page/base.css": "text/css; charset=utf-8", "/admin/icon.svg": "image/svg+xml",
	} {
		answer := getAdmin(t, http.MethodGet, path)
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		for name, value := range map[string]string{
			"Content-Type": kind, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-cache",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			require.Equal(t, value, answer.Header.Get(name), "%s of %s", name, path)
		}
		require.Empty(t, answer.Header.Get("Access-Control-Allow-Origin"), path)
	}
	policy := getAdmin(t, http.MethodGet, "/admin/").Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "img-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		require.Contains(t, policy+";", part+";")
	}
	require.NotContains(t, policy, "unsafe")
	for _, path := range []string{"/", "/admin", "/admin/index.html", "/admin/im.js", "/admin/page/main.js", "/admin/admin", "/admin/admin/", "/admin/../go.mod", "/page/base.css"} {
		require.Equal(t, http.StatusNotFound, getAdmin(t, http.MethodGet, path).StatusCode, path)
	}
	require.Equal(t, http.StatusNotFound, getAdmin(t, http.MethodPost, "/admin/").StatusCode, "only GET and HEAD are served")
	for _, path := range []string{"/admin", "/admin/", "/admin.html", "/admin/main.js", "/admin/admin/main.js"} {
		require.Equal(t, http.StatusNotFound, get(t, path, nil).StatusCode, "where clients connect: %s", path)
	}
}

var (
	// named are the files that a file refers to.
	named   = regexp.MustCompile(`(?:from '|import '|src="|href=")([a-z./-]+)['"]`)
	foreign = regexp.MustCompile(`(?:https?:)?//[a-z0-9]`)
	inline  = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\son[a-z]+="|style="|<script>|eval\(`)
)

// filesOf returns the names of the files that a pattern matches.
func filesOf(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// TestFiles: the files name no other origin, create no markup from strings, and refer only
// to files that exist.
func TestFiles(t *testing.T) {
	for _, name := range append(filesOf(t, "page/*"), "index.html", "icon.svg", "im.js", "push-worker.js") {
		checkFile(t, name, func(referred string) {
			require.Equal(t, http.StatusOK, get(t, "/"+referred, nil).StatusCode, "%s refers to %s", name, referred)
		})
	}
}

// TestAdminFiles: the same holds of the admin page, with what it uses of the chat page.
func TestAdminFiles(t *testing.T) {
	files := append(filesOf(t, "admin/*"), "admin.html", "icon.svg")
	for i := 0; i < len(files); i++ { // grows
		name := files[i]
		checkFile(t, name, func(referred string) {
			require.Equal(t, http.StatusOK, getAdmin(t, http.MethodGet, "/admin/"+referred).StatusCode, "%s refers to %s", name, referred)
			if !slices.Contains(files, referred) {
				files = append(files, referred)
			}
		})
	}
}

// checkFile checks a file, and calls a function for each file that it refers to.
func checkFile(t *testing.T, name string, refers func(name string)) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
	require.NotRegexp(t, inline, text, name)
	require.NotRegexp(t, foreign, text, name)
	for _, found := range named.FindAllStringSubmatch(text, -1) {
		refers(path.Join(path.Dir(name), found[1]))
	}
}

// TestWorker: the page may register the worker for all that is below its folder, and the
// worker takes no requests and keeps none.
func TestWorker(t *testing.T) {
	policy := get(t, "/", nil).Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'self'")
	require.NotRegexp(t, "worker-src|child-src|script-src", policy, "default-src is for workers where none of these is")
	worker := get(t, "/push-worker.js", nil)
	require.Equal(t, http.StatusOK, worker.StatusCode)
	require.Empty(t, worker.Header.Get("Service-Worker-Allowed"), "its scope is its folder")
	require.Equal(t, "no-cache", worker.Header.Get("Cache-Control"), "another version is seen at once")
	text, err := io.ReadAll(worker.Body)
	require.NoError(t, err)
	require.NotRegexp(t, `'fetch'|onfetch|fetch\(|caches\.|importScripts`, string(text))
	require.Regexp(t, `addEventListener\('push'`, string(text))
}
