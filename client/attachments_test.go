package client

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFiles: an upload goes as the server says, a download to where the server says. The
// token is not sent to the storage.
func TestFiles(t *testing.T) {
	const id = "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"
	var seen []string
	stored := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.String())
		switch {
		case r.Method == http.MethodPost:
			require.Equal(t, `{"mime":"text/plain","name":"a.txt","sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","size":5}`, string(body))
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"attachment_id":"`+id+`","upload_url":"/files/1?signature=x","method":"PUT","headers":{"X-Sum":"y"},"expires_at":"2026-01-02T03:04:05Z"}`)
		case r.Method == http.MethodPut:
			require.Empty(t, r.Header.Get("Authorization"))
			require.Equal(t, "y", r.Header.Get("X-Sum"))
			require.EqualValues(t, 5, r.ContentLength)
			if stored = string(body); r.URL.Query().Get("refuse") != "" {
				w.WriteHeader(http.StatusForbidden)
			}
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			_, _ = io.WriteString(w, `{"attachment_id":"`+id+`","url":"/files/1","expires_at":"2026-01-02T03:04:05Z","name":"a.txt","mime":"text/plain","size":5}`)
		default:
			require.Empty(t, r.Header.Get("Authorization"))
			_, _ = io.WriteString(w, stored)
		}
	}))
	defer server.Close()
	c, err := New(Options{URLs: []string{server.URL}, Token: Token("t")})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()

	var sent int64
	got, err := c.Upload(t.Context(), File{
		Name: "a.txt", MIME: "text/plain", Content: strings.NewReader("hello"), Progress: func(n, size int64) {
			sent = n
			require.EqualValues(t, 5, size)
		},
	})
	require.NoError(t, err)
	require.Equal(t, id, got.String())
	require.EqualValues(t, 5, sent)
	var file bytes.Buffer
	link, err := c.Download(t.Context(), got, &file)
	require.NoError(t, err)
	require.Equal(t, "hello", file.String())
	require.Equal(t, "a.txt", link.Name)
	require.Equal(t, []string{"POST /v1/attachments", "PUT /files/1?signature=x", "GET /v1/attachments/" + id + "?redirect=false", "GET /files/1"}, seen)
	stored = "hell"
	_, err = c.Download(t.Context(), got, io.Discard)
	require.Error(t, err, "a file that was cut off")
}
