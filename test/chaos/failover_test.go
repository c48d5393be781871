package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// copyTo copies the data of the server, which must be stopped.
func (d *database) copyTo(dir string) error {
	return exec.Command("cp", "-a", d.server.Dir(), dir).Run()
}

// restore replaces the data by a copy.
func (d *database) restore(from string) error {
	data := d.server.Dir()
	return errors.Join(os.RemoveAll(data), exec.Command("cp", "-a", from, data).Run())
}

// standby makes the server start as a standby.
func (d *database) standby() error { return d.writeFile("standby.signal", "") }

// follow makes the server start as a standby that replicates from primary.
func (d *database) follow(primary *database) error {
	u, err := url.Parse(primary.server.URL())
	if err != nil {
		return err
	}
	source := fmt.Sprintf("primary_conninfo = 'host=%s port=%s user=%s'\n", u.Query().Get("host"), u.Query().Get("port"), u.Query().Get("user"))
	return errors.Join(d.standby(), d.writeFile("postgresql.auto.conf", source))
}

// writeFile writes a file in the data directory, with the owner of that directory.
func (d *database) writeFile(name, text string) error {
	data := d.server.Dir()
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	path := filepath.Join(data, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// run runs statements in the database postgres.
func (d *database) run(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*waitTimeout)
	defer cancel()
	db, err := pgx.Connect(ctx, d.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(ctx) }()
	for _, statement := range statements {
		if _, err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// promote makes the standby the primary, on a new timeline.
func (d *database) promote() error { return d.run("SELECT pg_promote(true, 60)") }

// TestFailoverWithLoss: PostgreSQL comes back without the commits of the last seconds.
// The epoch changes, sockets close with 4004, clients sync again, and their state
// equals the log.
func TestFailoverWithLoss(t *testing.T) {
	for _, kind := range []struct {
		name    string
		promote bool
	}{{"a standby that lags is promoted", true}, {"an earlier copy is restored", false}} {
		t.Run(kind.name, func(t *testing.T) {
			s := newScenario(t, 2, shortOrLong(16*time.Second, time.Minute))
			s.loss = true
			earlier := filepath.Join(filepath.Dir(shared.postgres.dir), "earlier"+s.database)
			defer func() { _ = os.RemoveAll(earlier) }()
			time.Sleep(2 * time.Second) // most conversations of the load exist by then
			s.inject(fault{name: "(a copy is made)", begin: func() {
				require.NoError(t, shared.postgres.stop())
				require.NoError(t, shared.postgres.copyTo(earlier))
				s.startPostgres()
			}})
			time.Sleep(shortOrLong(4*time.Second, 20*time.Second)) // commits that will be lost
			before := s.epoch()
			head := s.count(`SELECT count(*) FROM events`)
			s.inject(fault{
				name: "PostgreSQL failed over, last commits lost: " + kind.name, duration: time.Second,
				begin: func() { require.NoError(t, shared.postgres.kill()) },
				end: func() {
					require.NoError(t, shared.postgres.restore(earlier))
					if kind.promote {
						require.NoError(t, shared.postgres.standby())
					}
					s.startPostgres()
					if kind.promote {
						require.NoError(t, shared.postgres.promote())
					}
					t.Logf("%d events of %d were lost", head-s.count(`SELECT count(*) FROM events`), head)
				},
				within: slack * 5 * time.Second, // receivers reconnect and sync again
			})
			r := s.requireNoBreach()
			require.NotEqual(t, before, s.epoch())
			require.GreaterOrEqual(t, r.Epochs, int64(2), "no client saw the new epoch")
			t.Logf("%d answered sends and %d whole conversations were lost", r.Lost, r.LostConversations)
		})
	}
}

// TestFailoverWithoutLoss: the primary is killed, and a synchronous standby is promoted.
// No answered send is lost. The epoch changes nevertheless: a new timeline does not show
// whether commits were lost.
func TestFailoverWithoutLoss(t *testing.T) {
	s := newScenario(t, 2, shortOrLong(14*time.Second, time.Minute))
	primary := shared.postgres
	siblingDir := func(name string) string { return filepath.Join(filepath.Dir(primary.dir), name+s.database) }
	standby, base := &database{dir: siblingDir("standby")}, siblingDir("base")
	require.NoError(t, standby.start(), "the start creates the data directory")
	require.NoError(t, standby.stop())
	s.inject(fault{name: "(a copy is made)", begin: func() {
		require.NoError(t, primary.stop())
		require.NoError(t, primary.copyTo(base))
		s.startPostgres()
	}})
	require.NoError(t, standby.restore(base))
	require.NoError(t, os.RemoveAll(base))
	require.NoError(t, standby.follow(primary))
	require.NoError(t, standby.start())
	defer func() {
		if shared.postgres == primary { // otherwise the primary is dead and the standby has replaced it
			_ = standby.stop()
			if err := primary.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"); err != nil {
				t.Errorf("the next tests have no usable PostgreSQL: %v", err)
			}
		}
	}()
	require.NoError(t, primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"))
	eventually.True(t, "the standby replicates synchronously", func() bool {
		return s.count(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`) == 1
	})
	time.Sleep(shortOrLong(4*time.Second, 20*time.Second)) // commits that wait for the standby

	before := s.epoch()
	s.inject(fault{
		name: "PostgreSQL failed over to a synchronous standby", duration: time.Second,
		begin: func() { require.NoError(t, primary.kill()) },
		end: func() {
			require.NoError(t, standby.promote())
			shared.postgres = standby
			s.retargetPostgres()
		},
		within: slack * 5 * time.Second, // receivers reconnect and sync again
	})
	r := s.requireNoBreach()
	require.NotEqual(t, before, s.epoch())
	require.Zero(t, r.Lost+r.LostConversations, "answered sends were lost")
	require.NoError(t, os.RemoveAll(primary.dir))
}

// epoch returns the current epoch of the database.
func (s *scenario) epoch() (epoch string) {
	s.t.Helper()
	db, err := pgx.Connect(s.t.Context(), shared.postgres.url(s.database))
	require.NoError(s.t, err)
	defer db.Close(context.Background())
	require.NoError(s.t, db.QueryRow(s.t.Context(), "SELECT epoch FROM epoch").Scan(&epoch))
	return epoch
}
