package pg

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// fakeServer accepts connections. It answers as a server does that is a primary or a
// standby, or not at all.
func fakeServer(t *testing.T, inHotStandby string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var accepted []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			accepted = append(accepted, conn)
			if inHotStandby != "" {
				go welcome(conn, inHotStandby)
			}
		}
		for _, conn := range accepted {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func welcome(conn net.Conn, inHotStandby string) {
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: inHotStandby})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	_ = backend.Flush()
	_, _ = backend.Receive() // Terminate
}

// The primary is found wherever it is in the list. Servers that hang would use up the
// whole time if they were tried one after the other.
func TestLocator(t *testing.T) {
	t.Parallel()
	primary, standby, gone := fakeServer(t, "off"), fakeServer(t, "on"), "127.0.0.1:1"
	var hanging []string
	for range 8 {
		hanging = append(hanging, fakeServer(t, ""))
	}
	for name, addresses := range map[string][]string{
		"first":         {primary, standby},
		"last":          {standby, gone, primary},
		"among hanging": append(append([]string{standby}, hanging...), primary),
	} {
		c, err := ParseURL("postgres://u@"+strings.Join(addresses, ",")+"/db?sslmode=disable&connect_timeout=100", "im")
		require.NoError(t, err, name)
		l := newLocator(c)
		config := c.pool.ConnConfig.Copy()
		require.NoError(t, l.choose(t.Context(), config), name)
		require.Equal(t, primary, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), name)
		require.Empty(t, config.Fallbacks, name)
		require.Equal(t, primary, l.candidates(t.Context())[0].address(), "the last primary comes first")
	}
	c, err := ParseURL("postgres://u@"+standby+","+gone+"/db?sslmode=disable", "im")
	require.NoError(t, err)
	err = newLocator(c).choose(t.Context(), c.pool.ConnConfig.Copy())
	require.ErrorContains(t, err, "standby")
	require.ErrorContains(t, err, "refused")
	require.True(t, ConnectionLost(err), "it is tried again")
}

// A name with several addresses is several servers.
func TestLocatorResolvesNames(t *testing.T) {
	t.Parallel()
	c, err := ParseURL("postgres://u@db.example:6000/db?sslmode=prefer", "im")
	require.NoError(t, err)
	l := newLocator(c)
	for addresses, want := range map[string][]string{
		"10.0.0.1 10.0.0.2": {"10.0.0.1:6000", "10.0.0.2:6000"},
		"10.0.0.1":          {"db.example:6000"},
		"127.0.0.1 ::1":     {"db.example:6000"},
		"":                  {"db.example:6000"},
	} {
		c.pool.ConnConfig.LookupFunc = func(context.Context, string) ([]string, error) { return strings.Fields(addresses), nil }
		var got []string
		for _, h := range l.candidates(t.Context()) {
			got = append(got, h.address())
			require.Equal(t, "db.example", h.primary.TLSConfig.ServerName)
			for _, way := range h.fallbacks {
				require.Equal(t, h.primary.Host, way.Host)
			}
		}
		require.Equal(t, want, got)
	}
}
