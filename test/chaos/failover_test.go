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
)

// copyTo copies the data of a server that is stopped.
func (d *database) copyTo(dir string) error {
	return exec.Command("cp", "-a", d.server.Dir(), dir).Run()
}

// restore puts a copy in the place of the data.
func (d *database) restore(from string) error {
	data := d.server.Dir()
	return errors.Join(os.RemoveAll(data), exec.Command("cp", "-a", from, data).Run())
}

// standby has the server begin as one that was never the primary.
func (d *database) standby() error { return d.put("standby.signal", "") }

// follow has it begin as a standby of the primary.
func (d *database) follow(primary *database) error {
	u, err := url.Parse(primary.server.URL())
	if err != nil {
		return err
	}
	source := fmt.Sprintf("primary_conninfo = 'host=%s port=%s user=%s'\n", u.Query().Get("host"), u.Query().Get("port"), u.Query().Get("user"))
	return errors.Join(d.standby(), d.put("postgresql.auto.conf", source))
}

// put writes a file of the server's.
func (d *database) put(name, text string) error {
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

// run runs statements in the server's own database.
func (d *database) run(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
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

// promote makes it the primary, on a new timeline.
func (d *database) promote() error { return d.run("SELECT pg_promote(true, 60)") }

// TestFailoverWithLoss: the server comes back in the state of some seconds ago.
// There is a new epoch, clients are told (4004) and sync anew, and what they have
// then is what there is.
func TestFailoverWithLoss(t *testing.T) {
	for _, kind := range []struct {
		name    string
		promote bool
	}{{"a standby that lags is promoted", true}, {"an earlier copy is restored", false}} {
		t.Run(kind.name, func(t *testing.T) {
			s := newScenario(t, 2, either(16*time.Second, time.Minute))
			s.loss = true
			earlier := filepath.Join(filepath.Dir(shared.postgres.dir), "earlier"+s.database)
			defer func() { _ = os.RemoveAll(earlier) }()
			time.Sleep(2 * time.Second) // until most conversations of the load are there
			s.suffer(fault{name: "(a copy is made)", begin: func() {
				require.NoError(t, shared.postgres.stop())
				require.NoError(t, shared.postgres.copyTo(earlier))
				s.startPostgres()
			}})
			time.Sleep(either(4*time.Second, 20*time.Second)) // of commits to be lost
			before := s.epoch()
			head := s.count(`SELECT count(*) FROM events`)
			s.suffer(fault{
				name: "PostgreSQL failed over, last commits lost: " + kind.name, lasts: time.Second,
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
				within: slack * 5 * time.Second, // receivers reconnect and sync anew
			})
			r := s.judge()
			require.NotEqual(t, before, s.epoch())
			require.GreaterOrEqual(t, r.Epochs, int64(2), "nobody was told")
			t.Logf("%d answered sends and %d whole conversations were lost", r.Lost, r.LostConversations)
		})
	}
}

// TestFailoverWithoutLoss: the primary dies, and a synchronous standby is promoted.
// Nothing that was answered is lost. There is a new epoch all the same: a new timeline
// does not tell whether anything was.
func TestFailoverWithoutLoss(t *testing.T) {
	s := newScenario(t, 2, either(14*time.Second, time.Minute))
	primary := shared.postgres
	beside := func(name string) string { return filepath.Join(filepath.Dir(primary.dir), name+s.database) }
	standby, base := &database{dir: beside("standby")}, beside("base")
	require.NoError(t, standby.start(), "which makes its folder")
	require.NoError(t, standby.stop())
	s.suffer(fault{name: "(a copy is made)", begin: func() {
		require.NoError(t, primary.stop())
		require.NoError(t, primary.copyTo(base))
		s.startPostgres()
	}})
	require.NoError(t, standby.restore(base))
	require.NoError(t, os.RemoveAll(base))
	require.NoError(t, standby.follow(primary))
	require.NoError(t, standby.start())
	defer func() {
		if shared.postgres == primary { // else the primary is dead, and the standby in its place
			_ = standby.stop()
			if err := primary.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"); err != nil {
				t.Errorf("the tests after this one have no PostgreSQL: %v", err)
			}
		}
	}()
	require.NoError(t, primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"))
	require.Eventually(t, func() bool {
		return s.count(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`) == 1
	}, patience, 50*time.Millisecond, "the standby does not follow")
	time.Sleep(either(4*time.Second, 20*time.Second)) // of commits that wait for it

	before := s.epoch()
	s.suffer(fault{
		name: "PostgreSQL failed over to a synchronous standby", lasts: time.Second,
		begin: func() { require.NoError(t, primary.kill()) },
		end: func() {
			require.NoError(t, standby.promote())
			shared.postgres = standby
			s.retarget()
		},
		within: slack * 5 * time.Second, // receivers reconnect and sync anew
	})
	r := s.judge()
	require.NotEqual(t, before, s.epoch())
	require.Zero(t, r.Lost+r.LostConversations, "what was answered is lost")
	require.NoError(t, os.RemoveAll(primary.dir))
}

func (s *scenario) epoch() (epoch string) {
	s.t.Helper()
	db, err := pgx.Connect(s.t.Context(), shared.postgres.url(s.database))
	require.NoError(s.t, err)
	defer db.Close(context.Background())
	require.NoError(s.t, db.QueryRow(s.t.Context(), "SELECT epoch FROM epoch").Scan(&epoch))
	return epoch
}
