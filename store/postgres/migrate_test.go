package postgres_test

import (
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	o := postgres.MigrateOptions{URL: url, Logger: slog.New(slog.DiscardHandler)}
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.ErrorIs(t, err, domain.ErrUnavailable)
	require.ErrorContains(t, err, "run the migrations")

	var migrating sync.WaitGroup
	for range 6 { // nodes that start at the same time
		migrating.Go(func() {
			if err := postgres.Migrate(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	migrating.Wait()
	status, err := postgres.Migrations(t.Context(), url)
	require.NoError(t, err)
	require.Positive(t, status.Latest)
	require.Equal(t, status.Latest, status.Current)
	n := storetest.Start(t, url)
	n.Post(t, "alice", n.Group(t, "alice", "bob"), "m", "x")

	t.Run("a newer schema is left as it is", func(t *testing.T) {
		conn := storetest.Connect(t, url)
		_, err := conn.Exec(t.Context(), `UPDATE im_schema_version SET version = version + 1`)
		require.NoError(t, err)
		require.NoError(t, postgres.Migrate(t.Context(), o))
		_, err = conn.Exec(t.Context(), `UPDATE im_schema_version SET version = version - 1`)
		require.NoError(t, err)
	})
	t.Run("down and up again", func(t *testing.T) {
		for range status.Latest + 1 {
			require.NoError(t, postgres.MigrateDown(t.Context(), o))
		}
		var left int
		require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(), `SELECT count(*) FROM pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' AND relname <> 'im_schema_version'`).Scan(&left))
		require.Zero(t, left)
		require.NoError(t, postgres.Migrate(t.Context(), o))
	})
}

// A database of a development version has the same tables. Only its version table is
// different.
func TestMigrateRefusesADevelopmentSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := storetest.Connect(t, url)
	_, err := conn.Exec(t.Context(), `ALTER TABLE im_schema_version RENAME TO schema_version; UPDATE schema_version SET version = 15`)
	require.NoError(t, err)
	o := postgres.MigrateOptions{URL: url, Logger: slog.New(slog.DiscardHandler)}
	_, statusErr := postgres.Migrations(t.Context(), url)
	for name, err := range map[string]error{
		"up":     postgres.Migrate(t.Context(), o),
		"down":   postgres.MigrateDown(t.Context(), o),
		"status": statusErr,
	} {
		require.ErrorIs(t, err, domain.ErrInternal, name)
		require.ErrorIs(t, err, postgres.ErrDevelopmentSchema, name)
	}
	var version int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT version FROM schema_version`).Scan(&version))
	require.Equal(t, 15, version, "the database is left as it is")
}

func TestOpenWithoutAServer(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://postgres@127.0.0.1:1/none"})
	require.ErrorIs(t, err, domain.ErrUnavailable)
	_, err = postgres.Open(t.Context(), postgres.Options{URL: "postgres://%zz"})
	require.Error(t, err)
}
