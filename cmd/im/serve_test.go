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
	"im/test/pgtest"
)

// serve starts a node and waits until it is ready.
func serve(t *testing.T, env ...string) (p *program, addr string) {
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

// attach opens a socket of alice, so that a drain takes its time.
func attach(t *testing.T, addr, device string) *websocket.Conn {
	t.Helper()
	signed, err := auth.Sign(testSecret, "alice", auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	return attachWith(t, addr, device, signed)
}

func attachWith(t *testing.T, addr, device, signed string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+addr+"/v1/ws", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.WriteJSON(map[string]any{"type": "hello", "device_id": device, "token": signed}))
	expect(t, conn, "welcome")
	return conn
}

func expect(t *testing.T, conn *websocket.Conn, kind string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		var frame struct{ Type string }
		require.NoError(t, conn.ReadJSON(&frame), "waiting for %s", kind)
		if frame.Type == kind {
			return
		}
	}
}

// requireUnready waits until a node says that it should get no more traffic.
func requireUnready(t *testing.T, addr string) {
	t.Helper()
	require.Eventually(t, func() bool { status, err := get("http://" + addr + "/readyz"); return err != nil || status == 503 },
		patience, 10*time.Millisecond)
}

// TestServeStops: two nodes on the same services, each ends with 0 within 30 s
// of SIGTERM, after it told its clients.
func TestServeStops(t *testing.T) {
	t.Parallel()
	env := append(services(pgtest.New(t)), "IM_PREFIX=cmd-"+uuid.NewString()[:8])
	one, addrOne := serve(t, env...)
	two, addrTwo := serve(t, env...)
	a, b := attach(t, addrOne, "phone"), attach(t, addrTwo, "laptop")

	began := time.Now()
	one.signal(syscall.SIGTERM)
	expect(t, a, "drain")
	requireUnready(t, addrOne)
	require.Equal(t, 0, one.wait(), one.err)
	require.Less(t, time.Since(began), 30*time.Second)

	status, err := get("http://" + addrTwo + "/readyz")
	require.NoError(t, err)
	require.Equal(t, 200, status, "the other node goes on")
	two.signal(os.Interrupt)
	expect(t, b, "drain")
	require.Equal(t, 0, two.wait(), two.err)
}

func TestServeSecondSignal(t *testing.T) {
	t.Parallel()
	env := append(services(pgtest.New(t)), "IM_PREFIX=cmd-"+uuid.NewString()[:8])
	p, addr := serve(t, env...)
	holdUp(t, addr)
	p.signal(syscall.SIGTERM)
	requireUnready(t, addr)
	require.Eventually(t, func() bool { // the program may be a moment from heeding the next one
		return p.cmd.Process.Signal(syscall.SIGTERM) != nil
	}, patience, 20*time.Millisecond)
	require.Equal(t, -1, p.wait(), "ended by the signal")
}

// holdUp begins a call that does not end, which a node that stops has to wait for.
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
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100"))) // its handler waits for the body now
	require.NoError(t, err)
}

// TestServeMakesTheDatabase: a node needs no more than a server to start.
func TestServeMakesTheDatabase(t *testing.T) {
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
	two, addrTwo := launch(t, env) // both at once
	one.awaitReady(addrOne)
	two.awaitReady(addrTwo)
}
