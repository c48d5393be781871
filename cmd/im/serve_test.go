package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/internal/auth"
	"im/test/eventually"
	"im/test/pgtest"
)

// startNode starts a node and waits until it is ready.
func startNode(t *testing.T, env ...string) (p *program, addr string) {
	t.Helper()
	p, addr = launch(t, env)
	p.awaitReady(addr)
	return p, addr
}

// launch starts a node.
func launch(t *testing.T, env []string) (p *program, addr string) {
	t.Helper()
	addr = freeAddr(t)
	return start(t, append(slices.Clip(env), "IM_ADDR="+addr), "serve"), addr
}

func (p *program) awaitReady(addr string) {
	p.t.Helper()
	p.until("being ready", func() bool { status, err := get("http://" + addr + "/readyz"); return err == nil && status == 200 })
}

// connect opens a session of alice. A drain then takes some time.
func connect(t *testing.T, addr, device string) *websocket.Conn {
	t.Helper()
	signed, err := auth.Sign(testSecret, "alice", auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	return connectWith(t, addr, device, signed)
}

// connectWith opens a session with a token.
func connectWith(t *testing.T, addr, device, signed string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+addr+"/v1/ws", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.WriteJSON(map[string]any{"type": "hello", "device_id": device, "token": signed}))
	expect(t, conn, "welcome")
	return conn
}

// expect reads frames until one of type kind.
func expect(t *testing.T, conn *websocket.Conn, kind string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(timeout)))
	for {
		var frame struct{ Type string }
		require.NoError(t, conn.ReadJSON(&frame), "waiting for %s", kind)
		if frame.Type == kind {
			return
		}
	}
}

// waitUnready waits until /readyz of a node no longer answers 200.
func waitUnready(t *testing.T, addr string) {
	t.Helper()
	eventually.True(t, "the node is not ready", func() bool {
		status, err := get("http://" + addr + "/readyz")
		return err != nil || status == 503
	})
}

// TestServeStops: each of two nodes on the same services asks its clients to reconnect
// elsewhere and ends with 0 within 30 s of SIGTERM.
func TestServeStops(t *testing.T) {
	t.Parallel()
	env := append(services(pgtest.New(t)), "IM_PREFIX=cmd-"+uuid.NewString()[:8])
	one, addrOne := startNode(t, env...)
	two, addrTwo := startNode(t, env...)
	a, b := connect(t, addrOne, "phone"), connect(t, addrTwo, "laptop")

	began := time.Now()
	one.signal(syscall.SIGTERM)
	expect(t, a, "drain")
	waitUnready(t, addrOne)
	require.Equal(t, 0, one.wait(), one.err)
	require.Less(t, time.Since(began), 30*time.Second)

	status, err := get("http://" + addrTwo + "/readyz")
	require.NoError(t, err)
	require.Equal(t, 200, status, "the other node continues")
	two.signal(os.Interrupt)
	expect(t, b, "drain")
	require.Equal(t, 0, two.wait(), two.err)
}

func TestServeSecondSignal(t *testing.T) {
	t.Parallel()
	env := append(services(pgtest.New(t)), "IM_PREFIX=cmd-"+uuid.NewString()[:8])
	p, addr := startNode(t, env...)
	holdUp(t, addr)
	p.signal(syscall.SIGTERM)
	waitUnready(t, addr)
	eventually.True(t, "the next signal ends the program", func() bool { // it may be ignored for a moment after the first one
		return p.cmd.Process.Signal(syscall.SIGTERM) != nil
	})
	require.Equal(t, -1, p.wait(), "the signal ended it")
}

// holdUp begins a call that does not end. A node that stops must wait for it.
func holdUp(t *testing.T, addr string) {
	t.Helper()
	signed, err := auth.Sign(testSecret, "alice", auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", addr, signed)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(timeout)))
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100"))) // now the handler waits for the body
	require.NoError(t, err)
}

// TestServeCreatesTheDatabase: a node can start on a server without its database.
func TestServeCreatesTheDatabase(t *testing.T) {
	t.Parallel()
	at, err := url.Parse(pgtest.NewEmpty(t))
	require.NoError(t, err)
	admin, err := pgx.Connect(t.Context(), at.String())
	require.NoError(t, err)
	defer func() { _ = admin.Close(t.Context()) }()
	name := "im_cmd_" + uuid.NewString()[:8]
	at.Path = "/" + name
	t.Cleanup(func() {
		cleaner, err := pgx.Connect(t.Context(), envOr("IM_TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"))
		if err == nil {
			_, _ = cleaner.Exec(t.Context(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
			_ = cleaner.Close(t.Context())
		}
	})
	env := append(services(at.String()), "IM_PREFIX=cmd-"+uuid.NewString()[:8])
	one, addrOne := launch(t, env)
	two, addrTwo := launch(t, env) // concurrently
	one.awaitReady(addrOne)
	two.awaitReady(addrTwo)
}
