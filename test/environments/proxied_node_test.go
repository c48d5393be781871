package environments

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/internal/edge"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/improcess"
	"im/test/pgtest"
	"im/test/redistest"
)

const proxiedSecret = "a secret of the tests behind proxies"

// startProxiedNode starts a node that trusts proxies on 127.0.0.1, and waits until it is
// ready.
func startProxiedNode(t *testing.T, env ...string) *improcess.Process {
	t.Helper()
	n := improcess.Serve(t, binary, append([]string{
		"IM_DATABASE_URL=" + pgtest.New(t), "IM_REDIS_URL=" + redistest.URL(), "IM_AMQP_URL=" + amqptest.URL(), "IM_PREFIX=" + redistest.NewPrefix(),
		"IM_JWT_SECRET=" + proxiedSecret, "IM_TRUSTED_PROXIES=127.0.0.1",
	}, env...)...)
	n.AwaitReady()
	return n
}

// proxiedToken returns a token of a user. With a size above 0 the token has about that
// many bytes.
func proxiedToken(t *testing.T, user domain.UserID, size int) string {
	t.Helper()
	g := auth.Grant{TTL: time.Hour}
	token, err := auth.Sign(proxiedSecret, user, g)
	require.NoError(t, err)
	if size > len(token) {
		g.Picture = strings.Repeat("x", (size-len(token))*3/4-40)
		token, err = auth.Sign(proxiedSecret, user, g)
		require.NoError(t, err)
	}
	return token
}

// proxiedClient makes requests from one address of the loopback interface.
type proxiedClient struct {
	t      *testing.T
	base   string // of the proxy
	token  string
	dialer net.Dialer
	http   *http.Client
}

func newProxiedClient(t *testing.T, base, address string, user domain.UserID) *proxiedClient {
	t.Helper()
	c := &proxiedClient{t: t, base: base, token: proxiedToken(t, user, 0), dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}}
	transport := &http.Transport{DialContext: c.dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// proxiedAnswer is an answer with its body.
type proxiedAnswer struct {
	*http.Response
	body []byte
}

// problem returns the problem document of an answer.
func (a proxiedAnswer) problem(t *testing.T) (p edge.Problem) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, &p), "%d %s", a.StatusCode, a.body)
	return p
}

// call makes a request with headers "Name: value", and with the client's token unless
// that is "".
func (c *proxiedClient) call(method, path, body string, headers ...string) proxiedAnswer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != "" && method != "PUT" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	response, err := c.http.Do(r)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return proxiedAnswer{response, text}
}

// socket opens a WebSocket with an Origin, "" for none, and says hello.
func (c *proxiedClient) socket(origin string) (*websocket.Conn, error) {
	c.t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	dialer := websocket.Dialer{NetDialContext: c.dialer.DialContext, Subprotocols: []string{"im.v1"}, HandshakeTimeout: eventually.Deadline}
	ctx, cancel := context.WithTimeout(c.t.Context(), eventually.Deadline)
	defer cancel()
	ws, response, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(c.base, "http")+"/v1/ws", header)
	if err != nil {
		if response != nil {
			text, _ := io.ReadAll(response.Body)
			err = &refusedSocket{response.StatusCode, string(text)}
		}
		return nil, err
	}
	c.t.Cleanup(func() { _ = ws.Close() })
	require.NoError(c.t, ws.WriteJSON(map[string]string{"type": "hello", "device_id": "d-" + uuid.NewString()[:8], "token": c.token}))
	c.await(ws, "welcome")
	return ws, nil
}

// refusedSocket is a handshake that was refused.
type refusedSocket struct {
	status int
	body   string
}

func (e *refusedSocket) Error() string { return e.body }

// await returns the next frame of a type, and ignores others.
func (c *proxiedClient) await(ws *websocket.Conn, kind string) map[string]any {
	c.t.Helper()
	require.NoError(c.t, ws.SetReadDeadline(time.Now().Add(eventually.Deadline)))
	for {
		_, text, err := ws.ReadMessage()
		require.NoError(c.t, err)
		var frame map[string]any
		require.NoError(c.t, json.NewDecoder(bytes.NewReader(text)).Decode(&frame))
		if frame["type"] == kind {
			return frame
		}
	}
}

// requireChat requires that a message reaches a socket of its sender.
func (c *proxiedClient) requireChat(origin string) {
	c.t.Helper()
	ws, err := c.socket(origin)
	require.NoError(c.t, err)
	require.NoError(c.t, ws.WriteJSON(map[string]any{
		"type": "send", "id": "r1", "to": "bob", "client_msg_id": uuid.NewString(), "content": map[string]string{"type": "text", "text": "x"},
	}))
	c.await(ws, "event")
}
