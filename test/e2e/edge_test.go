package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/internal/edge"
	"im/test/eventually"
)

// edgeRequest sends a request with headers "Name: value" to a node. It returns the answer
// and its problem document, if it has one.
func edgeRequest(t *testing.T, n *testNode, method, path string, headers ...string) (*http.Response, edge.Problem) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, n.URL+path, nil)
	require.NoError(t, err)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var p edge.Problem
	if response.Header.Get("Content-Type") == "application/problem+json" {
		require.NoError(t, json.NewDecoder(response.Body).Decode(&p))
	}
	return response, p
}

// TestOriginsOfSocketsAndCalls: sockets and CORS allow the same origins.
func TestOriginsOfSocketsAndCalls(t *testing.T) {
	c := newCluster(t)
	n := c.node("one", "IM_ALLOWED_ORIGINS=https://*.example.org, capacitor://localhost,ionic://localhost,tauri://localhost,app://,file://,chrome-extension://abc,http://localhost:*,https://bücher.example:8443")
	host := strings.TrimPrefix(n.URL, "http://")
	for page, allowed := range map[string]bool{
		n.URL: true, "HTTP://" + host: true, "https://" + host: true, "http://localhost:5173": true, "https://a.example.org": true, "https://a.B.example.org:443": true,
		"capacitor://localhost": true, "ionic://localhost": true, "tauri://localhost": true, "app://": true, "file://": true, "null": true, "chrome-extension://abc": true,
		"https://xn--bcher-kva.example:8443": true, "https://BÜCHER.example:8443": true,
		"https://example.org": false, "http://a.example.org": false, "https://a.example.org:8443": false, "https://a.example.org.evil.example": false,
		"chrome-extension://def": false, "https://localhost": false, "https://xn--bcher-kva.example": false, "http://127.0.0.1:1": false, "https://a.example.org/x": false, "": false,
	} {
		upgrade, refused := edgeRequest(t, n, "GET", "/v1/ws", "Origin: "+page, "Connection: Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		preflight, why := edgeRequest(t, n, "OPTIONS", "/v1/messages", "Origin: "+page, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,sentry-trace")
		if allowed {
			require.Equal(t, http.StatusSwitchingProtocols, upgrade.StatusCode, page)
			require.Equal(t, http.StatusNoContent, preflight.StatusCode, page)
			require.Equal(t, page, preflight.Header.Get("Access-Control-Allow-Origin"))
			require.NotEmpty(t, preflight.Header.Get("X-Request-Id"))
			continue
		}
		require.Equal(t, http.StatusForbidden, upgrade.StatusCode, page)
		require.Equal(t, http.StatusForbidden, preflight.StatusCode, page)
		require.Equal(t, refused.Detail, why.Detail)
		require.Contains(t, why.Detail, page)
	}
	missing, p := edgeRequest(t, n, "GET", "/v1/nothing", "Origin: capacitor://localhost")
	require.Equal(t, "capacitor://localhost", missing.Header.Get("Access-Control-Allow-Origin"))
	require.EqualValues(t, "not_found", p.Code)
	for _, path := range []string{"/im.js", "/openapi.yaml", "/asyncapi.yaml"} {
		file, _ := edgeRequest(t, n, "GET", path, "Origin: https://editor.example")
		require.Equal(t, "*", file.Header.Get("Access-Control-Allow-Origin"), path)
	}
	n.AwaitOutput("IM_ALLOWED_ORIGINS")
}

// TestTokenReasons: a refused token says which check failed: over REST, at the handshake
// of a socket, in the frame before a socket is closed, and in the log. None of them has
// the token.
func TestTokenReasons(t *testing.T) {
	c := newCluster(t)
	n := c.node("one", "IM_JWT_ISSUER=https://id.example/,app", "IM_JWT_AUDIENCE=im,im-test")
	exp := time.Now().Add(time.Hour).Unix()
	sign := func(key string, claims jwt.MapClaims) string {
		raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
		require.NoError(t, err)
		return raw
	}
	good := jwt.MapClaims{"sub": 9007199254740993, "exp": exp, "iss": "app", "aud": []string{"shop", "im-test"}}
	status, body := n.do(sign(secret, good), "GET", "/v1/sessions", nil)
	require.Equal(t, http.StatusOK, status, "%s", body)
	_, last := helloWith(t, n, sign(secret, good))
	require.Equal(t, "9007199254740993", last["user_id"], "a number is the user of its digits")

	for reason, claims := range map[string]jwt.MapClaims{
		"the signature of the token does not fit IM_JWT_SECRET": nil,
		"the token expired at":                       {"sub": "alice", "exp": exp - 7200, "iss": "app", "aud": "im"},
		"the token is not valid before":              {"sub": "alice", "exp": exp, "nbf": exp, "iss": "app", "aud": "im"},
		"they differ in the slash at the end":        {"sub": "alice", "exp": exp, "iss": "https://id.example", "aud": "im"},
		`the claim iss is "elsewhere"`:               {"sub": "alice", "exp": exp, "iss": "elsewhere", "aud": "im"},
		`the claim aud is "shop"; IM_JWT_AUDIENCE`:   {"sub": "alice", "exp": exp, "iss": "app", "aud": "shop"},
		"the claim exp is missing":                   {"sub": "alice", "iss": "app", "aud": "im"},
		"the claim sub, which holds the user id":     {"exp": exp, "iss": "app", "aud": "im"},
		"the claim sub is not a user id":             {"sub": "a b", "exp": exp, "iss": "app", "aud": "im"},
		"the claim sub is a number that is not writ": {"sub": 1.5, "exp": exp, "iss": "app", "aud": "im"},
	} {
		key, closeCode := secret, 4400
		if claims == nil {
			key, claims = strings.ToUpper(secret), good
		}
		token := sign(key, claims)
		if strings.Contains(reason, "expired") {
			closeCode = 4200
		}
		_, p := edgeRequest(t, n, "GET", "/v1/sync", "Authorization: Bearer "+token)
		require.Equal(t, http.StatusUnauthorized, p.Status)
		require.Contains(t, p.Detail, reason)
		_, p = edgeRequest(t, n, "GET", "/v1/ws", "Authorization: Bearer "+token)
		require.Contains(t, p.Detail, reason)
		code, last := helloWith(t, n, token)
		require.Equal(t, closeCode, code)
		require.Equal(t, "error", last["type"])
		require.Equal(t, "h1", last["id"])
		require.Contains(t, last["message"], reason)
		require.NotContains(t, n.Output(), strings.Split(token, ".")[2])
	}
	for _, check := range []string{"signature", "expiry", "issuer", "audience", "claims", "times"} {
		n.AwaitOutput(`"check":"` + check + `"`)
	}
}

// helloWith says hello with a token and the id h1. It returns the last frame, and the
// close code that follows an error.
func helloWith(t *testing.T, n *testNode, token string) (code int, last map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Deadline)
	defer cancel()
	ws, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(n.URL, "http")+"/v1/ws", nil) // without a subprotocol
	require.NoError(t, err)
	defer func() { _ = ws.Close() }()
	require.Empty(t, ws.Subprotocol())
	require.NoError(t, ws.WriteJSON(map[string]string{"type": "hello", "id": "h1", "device_id": "d", "token": token}))
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(eventually.Deadline)))
	for {
		var frame map[string]any
		err := ws.ReadJSON(&frame)
		if closed, ok := err.(*websocket.CloseError); ok { //nolint:errorlint // gorilla does not wrap it
			return closed.Code, last
		}
		require.NoError(t, err)
		if last = frame; frame["type"] == "welcome" {
			return 0, last
		}
	}
}
