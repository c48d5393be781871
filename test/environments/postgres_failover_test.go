package environments

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/improcess"
)

// urlOf returns the URL of a database on several servers, in this order.
func urlOf(database string, addresses ...string) string {
	return "postgres://postgres@" + strings.Join(addresses, ",") + "/" + database + "?sslmode=disable"
}

// Nodes find the primary by themselves, in whatever order the URL names the servers: while
// a standby comes first, while a server hangs, and after a failover. The old primary has
// ended, or it hangs and keeps all connections.
func TestPostgresFailover(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*postgresServer){
		"the primary has ended": (*postgresServer).stop,
		"the primary hangs":     (*postgresServer).pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := startPostgres(t)
			standby := primary.standby()
			hanging := hangingServer(t)
			c := newTestCluster(t)
			var nodes []*improcess.Process
			for i, order := range [][]string{
				{primary.address(), standby.address()},
				{standby.address(), primary.address()},
				{hanging, standby.address(), primary.address()},
				{primary.address(), hanging, standby.address()},
			} {
				url := urlOf("im", order...)
				if i > 1 {
					url += "&connect_timeout=10&target_session_attrs=read-write"
				}
				nodes = append(nodes, c.node(fmt.Sprint("order", i), "IM_DATABASE_URL="+url))
			}
			var devices []*device
			for i, n := range nodes {
				devices = append(devices, connectDevice(t, domain.UserID(fmt.Sprint("user", i)), n))
			}
			group, err := devices[0].CreateGroup(t.Context(), newGroup(devices[1:]...))
			require.NoError(t, err)
			id := group.ConversationID
			var sent []string
			talk := func(when string) {
				for i, d := range devices {
					text := fmt.Sprint(when, " ", i)
					sent = append(sent, text)
					send(t, d, id, text)
				}
			}
			talk("before")
			standby.awaitReplay(primary)
			fail(primary)
			standby.promote()
			talk("after")
			for i, d := range devices {
				eventually.True(t, "every device has all messages", func() bool { return fmt.Sprint(d.texts(id)) == fmt.Sprint(sent) })
				require.NotContains(t, nodes[i].Output(), `"level":"ERROR"`)
			}
		})
	}
}

// pause stops the server without ending it: its sockets stay open, and nothing answers.
func (s *postgresServer) pause() {
	s.t.Helper()
	for _, pid := range s.pids() {
		require.NoError(s.t, syscall.Kill(pid, syscall.SIGSTOP))
	}
	s.t.Cleanup(s.resume)
}

// resume lets a paused server go on.
func (s *postgresServer) resume() {
	for _, pid := range s.pids() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

func (s *postgresServer) pids() []int {
	return append(childrenOf(s.t, s.cmd.Process.Pid), s.cmd.Process.Pid)
}

// A URL that names only standbys is waited for, and then refused with what is wrong.
func TestPostgresStandbyOnly(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t)
	standby := primary.standby()
	c := newTestCluster(t, "IM_START_TIMEOUT=2s")
	for _, addresses := range [][]string{{standby.address()}, {standby.address(), standby.address()}} {
		said := c.refused("IM_DATABASE_URL=" + urlOf("im", addresses...))
		require.Contains(t, said, "IM_DATABASE_URL")
		require.Contains(t, said, "standby")
	}
	require.Contains(t, c.refused("IM_DATABASE_URL="+urlOf("im", primary.address())+"&target_session_attrs=standby"), "target_session_attrs")
}
