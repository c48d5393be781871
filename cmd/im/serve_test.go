package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
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

// TestServeCreatesTheDatabase: with IM_CREATE_DATABASE a node starts on a server without
// its database.
func TestServeCreatesTheDatabase(t *testing.T) {
	t.Parallel()
	url, _ := missingDatabase(t)
	env := append(services(url), "IM_PREFIX=cmd-"+uuid.NewString()[:8])
	refused := start(t, env, "serve")
	require.Equal(t, 2, refused.wait())
	require.Contains(t, refused.err.String(), "IM_CREATE_DATABASE")

	env = append(env, "IM_CREATE_DATABASE=true")
	one, addrOne := launch(t, env)
	two, addrTwo := launch(t, env) // concurrently
	one.awaitReady(addrOne)
	two.awaitReady(addrTwo)
}

func TestMigrateCreatesTheDatabase(t *testing.T) {
	t.Parallel()
	url, _ := missingDatabase(t)
	env := []string{"IM_DATABASE_URL=" + url}
	refused := start(t, env, "migrate", "up")
	require.Equal(t, 1, refused.wait())
	require.Contains(t, refused.err.String(), "im migrate up --create")
	p := start(t, env, "migrate", "up", "--create")
	require.Equal(t, 0, p.wait(), p.err)
	require.Contains(t, p.out.String(), "up to date")
}

// TestServeChangesNothingBeforeItReachesEverything: while a service is missing, a node
// neither creates the database nor migrates it. The error names every service that is
// missing, with its address once.
func TestServeChangesNothingBeforeItReachesEverything(t *testing.T) {
	t.Parallel()
	missing, exists := missingDatabase(t)
	empty := pgtest.NewEmpty(t)
	for name, c := range map[string]struct {
		url   string
		env   []string
		names []string
	}{
		"no database, no Redis":         {missing, []string{"IM_CREATE_DATABASE=true", "IM_REDIS_URL=redis://127.0.0.1:1"}, []string{"IM_REDIS_URL"}},
		"no schema, no RabbitMQ":        {empty, []string{"IM_AMQP_URL=amqp://127.0.0.1:1/"}, []string{"IM_AMQP_URL"}},
		"no schema, neither of the two": {empty, []string{"IM_REDIS_URL=redis://127.0.0.1:1", "IM_AMQP_URL=amqp://127.0.0.1:1/"}, []string{"IM_REDIS_URL", "IM_AMQP_URL"}},
		"nothing at all": {
			"postgres://u@127.0.0.1:1/x",
			[]string{"IM_REDIS_URL=redis://127.0.0.1:1", "IM_AMQP_URL=amqp://127.0.0.1:1/"},
			[]string{"IM_DATABASE_URL", "IM_REDIS_URL", "IM_AMQP_URL"},
		},
		// Nobody waits for the time-out of the others, if one cannot be mended by waiting.
		"a wrong role, no Redis": {
			"postgres://no-such-role@" + hostOf(t, empty) + "/x",
			[]string{"IM_REDIS_URL=redis://127.0.0.1:1", "IM_START_TIMEOUT=1h"},
			[]string{"IM_DATABASE_URL", "IM_REDIS_URL"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(append(services(c.url), "IM_START_TIMEOUT=1s"), c.env...), "serve")
			require.Equal(t, 2, p.wait())
			last := lastLine(p.err.String())
			for _, setting := range c.names {
				require.Equal(t, 1, strings.Count(last, setting), last)
			}
			if strings.Contains(last, "IM_DATABASE_URL: not ready") {
				require.Equal(t, 3, strings.Count(last, "127.0.0.1:1: "), last)
			}
			require.False(t, exists())
			require.False(t, hasTables(t, empty))
		})
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func hostOf(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u.Host
}

func hasTables(t *testing.T, url string) (yes bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')`).Scan(&yes))
	return yes
}

// missingDatabase returns the URL of a database that does not exist, and a function that
// reports whether it does. It is dropped at the end.
func missingDatabase(t *testing.T) (at string, exists func() bool) {
	t.Helper()
	admin := pgtest.NewEmpty(t)
	u, err := url.Parse(admin)
	require.NoError(t, err)
	name := "im_cmd_" + uuid.NewString()[:8]
	u.Path = "/" + name
	run := func(sql string, args ...any) (yes bool) {
		conn, err := pgx.Connect(context.Background(), admin)
		require.NoError(t, err)
		defer func() { _ = conn.Close(context.Background()) }()
		err = conn.QueryRow(context.Background(), sql, args...).Scan(&yes)
		require.True(t, err == nil || errors.Is(err, pgx.ErrNoRows), err)
		return yes
	}
	t.Cleanup(func() { run("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") })
	return u.String(), func() bool { return run("SELECT true FROM pg_database WHERE datname = $1", name) }
}
