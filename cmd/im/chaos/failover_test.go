package chaos

import (
	"context"
	"errors"
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
func (d *database) standby() error {
	data := d.server.Dir()
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	signal := filepath.Join(data, "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Lchown(signal, int(owner.Uid), int(owner.Gid))
}

// promote makes it the primary, on a new timeline.
func (d *database) promote() error {
	db, err := pgx.Connect(context.Background(), d.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close(context.Background())
	_, err = db.Exec(context.Background(), "SELECT pg_promote(true, 60)")
	return err
}

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

func (s *scenario) epoch() (epoch string) {
	s.t.Helper()
	db, err := pgx.Connect(s.t.Context(), shared.postgres.url(s.database))
	require.NoError(s.t, err)
	defer db.Close(context.Background())
	require.NoError(s.t, db.QueryRow(s.t.Context(), "SELECT epoch FROM epoch").Scan(&epoch))
	return epoch
}
