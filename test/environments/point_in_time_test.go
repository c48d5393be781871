package environments

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/improcess"
)

// The way back that docs/backup.md describes: a base backup of a running server and the
// write-ahead log that was archived since bring the database back to a point in time. What
// was committed later is lost. A new epoch begins by itself, clients recover without help,
// and everything that the log says holds again.
func TestPointInTimeRecovery(t *testing.T) {
	t.Parallel()
	archive := serverDir(t)
	server := startPostgres(t, "wal_level = replica", "archive_mode = on",
		"archive_command = 'test ! -f "+archive+"/%f && cp %p "+archive+"/%f'")
	c := newTestCluster(t, "IM_DATABASE_URL="+server.url("im"))
	nodes := []*improcess.Process{c.node("one"), c.node("two")}
	alice, bob := connectDevice(t, "alice", nodes...), connectDevice(t, "bob", nodes[1], nodes[0])
	group, err := alice.CreateGroup(t.Context(), newGroup(bob))
	require.NoError(t, err)
	id := group.ConversationID
	send(t, alice, id, "in the base backup")
	backup := server.baseBackup()
	send(t, bob, id, "in the archive")
	kept := []string{"in the base backup", "in the archive"}
	requireTexts := func(when string, expected ...string) {
		t.Helper()
		for name, d := range map[string]*device{"alice": alice, "bob": bob} {
			eventually.True(t, fmt.Sprint(name, " has ", expected, " ", when), func() bool { return fmt.Sprint(d.texts(id)) == fmt.Sprint(expected) })
		}
	}
	requireTexts("before", kept...)
	epoch := epochOf(t, server)

	target := server.query("SELECT clock_timestamp()::text")
	send(t, alice, id, "by mistake")
	requireTexts("before", append(kept, "by mistake")...)
	server.archiveEverything()
	for _, n := range nodes {
		n.Stop()
	}
	server.stop()
	restored := backup.recover(archive, target, server.port)
	require.Equal(t, "2", restored.query("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 8, 1)"), "the server goes on in a new timeline")

	// At the same addresses, where the clients look for them.
	for i, n := range nodes {
		restarted := improcess.Start(t, binary, append(append([]string{}, c.env...), "IM_ADDR="+n.URL[len("http://"):], fmt.Sprint("IM_NODE_NAME=node", i)), "serve")
		restarted.URL = n.URL
		restarted.AwaitReady()
		nodes[i] = restarted
	}
	requireTexts("after the recovery", kept...)
	require.NotEqual(t, epoch, epochOf(t, restored))
	for name, d := range map[string]*device{"alice": alice, "bob": bob} {
		d.mu.Lock()
		require.Equal(t, 1, d.resets, "%s dropped what it had stored, once", name)
		d.mu.Unlock()
	}
	send(t, bob, id, "after")
	requireTexts("after the recovery", append(kept, "after")...)
	fresh := connectDevice(t, "alice", nodes[0])
	eventually.True(t, "a new device reads the same", func() bool { return fmt.Sprint(fresh.texts(id)) == fmt.Sprint(append(kept, "after")) })

	eventually.NoError(t, "the projections and the search index equal the log", func() error {
		command := exec.Command(binary, "rebuild", "--verify")
		command.Env = append(command.Environ(), c.env...)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
	c.verify([]string{"--duration", "5s", "--users", "6", "--rate", "20"}, nodes...)
}

// baseBackup returns a copy of a running server, as pg_basebackup makes it.
func (s *postgresServer) baseBackup() *postgresServer {
	s.t.Helper()
	copied := newPostgres(s.t)
	copied.runProgram("pg_basebackup", "--pgdata", copied.dir, "--host=127.0.0.1", fmt.Sprint("--port=", s.port), "--username=postgres",
		"--checkpoint=fast", "--wal-method=stream", "--no-sync")
	return copied
}

// archiveEverything waits until all that was committed so far is in the archive.
func (s *postgresServer) archiveEverything() {
	s.t.Helper()
	segment := s.query("SELECT pg_walfile_name(pg_switch_wal())")
	eventually.True(s.t, "the write-ahead log is archived", func() bool {
		return s.query("SELECT (COALESCE(last_archived_wal, '') >= '"+segment+"')::text FROM pg_stat_archiver") == "true"
	})
}

// recover starts the copy at a port, with what the archive has up to a time, and waits until
// it takes writes.
func (s *postgresServer) recover(archive, target string, port int) *postgresServer {
	s.t.Helper()
	s.port = port
	for _, line := range []string{
		"restore_command = 'cp " + archive + "/%f %p'", "recovery_target_time = '" + target + "'", "recovery_target_action = 'promote'", "archive_mode = off",
	} {
		s.appendConfig(line)
	}
	writeServerFile(s.t, s.dir, "recovery.signal", "")
	s.start()
	eventually.True(s.t, "the recovery is done", func() bool { return s.query("SELECT pg_is_in_recovery()::text") == "false" })
	_, err := os.Stat(filepath.Join(s.dir, "recovery.signal"))
	require.ErrorIs(s.t, err, os.ErrNotExist)
	return s
}

// epochOf returns the epoch of the database im of a server.
func epochOf(t *testing.T, s *postgresServer) string {
	t.Helper()
	return querySQL[string](t, s.url("im"), "SELECT epoch::text FROM epoch")
}
