package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/internal/auth"
	"im/test/certtest"
	"im/test/eventually"
	"im/test/pgtest"
)

// TestTLS: a node with a certificate speaks TLS only, to clients and operators, and uses
// renewed files without a restart. Its log level can be changed at the admin address.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	pair, err := authority.Issue("first.example")
	require.NoError(t, err)
	files := []string{"IM_TLS_CERT_FILE=" + pair.Cert, "IM_TLS_KEY_FILE=" + pair.Key}
	admin := freeAddr(t)
	p, addr := launch(t, append(append(services(pgtest.New(t)), files...), "IM_ADMIN_ADDR="+admin))
	p.waitOutput("msg=serving addr")

	text, err := os.ReadFile(authority.File)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	call := func(method, url, body string) (int, string, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(answer), response.TLS.PeerCertificates[0].Subject.CommonName
	}
	status, _, name := call("GET", "https://"+addr+"/readyz", "")
	require.Equal(t, 200, status)
	require.Equal(t, "first.example", name)
	status, err = get("http://" + addr + "/healthz")
	require.True(t, err != nil || status == 400, "without TLS")
	health := start(t, append(files, "IM_ADDR="+addr), "health", "--ready")
	require.Equal(t, 0, health.wait(), health.err)

	signed, err := auth.Sign(testSecret, "alice", auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	dialer := websocket.Dialer{TLSClientConfig: config, Subprotocols: []string{"im.v1"}}
	socket, response, err := dialer.Dial("wss://"+addr+"/v1/ws", http.Header{"Authorization": {"Bearer " + signed}})
	require.NoError(t, err)
	defer func() { _, _ = response.Body.Close(), socket.Close() }()
	require.NoError(t, socket.WriteJSON(map[string]string{"type": "hello", "device_id": "phone"}))
	var frame struct{ Type string }
	require.NoError(t, socket.ReadJSON(&frame))
	require.Equal(t, "welcome", frame.Type)

	status, answer, _ := call("PUT", "https://"+admin+"/log-level", `{"level":"debug"}`)
	require.Equal(t, 200, status, answer)
	require.JSONEq(t, `{"level":"debug"}`, answer)
	call("GET", "https://"+addr+"/healthz", "")
	p.waitOutput("path=/healthz")
	for _, bad := range []string{`{"level":"loud"}`, `{}`, `debug`, `{"level":"info","x":1}`} {
		status, answer, _ = call("PUT", "https://"+admin+"/log-level", bad)
		require.Equal(t, 400, status, answer)
	}
	_, answer, _ = call("GET", "https://"+admin+"/log-level", "")
	require.JSONEq(t, `{"level":"debug"}`, answer)
	status, _, _ = call("POST", "https://"+admin+"/log-level", "")
	require.Equal(t, 405, status)

	good, err := os.ReadFile(pair.Cert)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(pair.Cert, []byte("broken"), 0o600))
	p.until("logging the broken file", func() bool {
		_, _, name := call("GET", "https://"+addr+"/healthz", "")
		require.Equal(t, "first.example", name)
		return bytes.Contains([]byte(p.err.String()), []byte("the new certificate cannot be used"))
	})
	require.NoError(t, os.WriteFile(pair.Cert, good, 0o600))
	next, err := authority.Issue("second.example")
	require.NoError(t, err)
	for from, to := range map[string]string{next.Key: pair.Key, next.Cert: pair.Cert} {
		require.NoError(t, os.Rename(from, to))
	}
	for _, url := range []string{"https://" + addr + "/healthz", "https://" + admin + "/log-level"} {
		eventually.True(t, "the renewed certificate is used", func() bool {
			_, _, name := call("GET", url, "")
			return name == "second.example"
		})
	}
	require.NoError(t, socket.WriteJSON(map[string]string{"type": "ping"}), "the socket stays")
	p.signal(syscall.SIGTERM)
	require.Equal(t, 0, p.wait(), p.err)

	for says, env := range map[string][]string{
		"IM_TLS_KEY_FILE":  {"IM_TLS_CERT_FILE=" + pair.Cert},
		"IM_TLS_CERT_FILE": {"IM_TLS_CERT_FILE=/nowhere", "IM_TLS_KEY_FILE=" + pair.Key},
	} {
		p := start(t, append(services("postgres://im@127.0.0.1:1/none"), env...), "config", "check")
		require.Equal(t, 2, p.wait(), p.err)
		require.Contains(t, p.err.String(), says)
	}
}
