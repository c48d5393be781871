package postgres

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"im/domain"
	"im/migrations"
	"im/store/postgres/internal/pg"
)

// versionTable holds one row: the number of the last migration that was run.
const versionTable = "public.schema_version"

// MigrationStatus says how far a database is.
type MigrationStatus struct {
	Current int // 0: empty
	Latest  int // what this program brings
}

// Migrate brings the schema up to date. Any number of nodes may call it at once:
// they take turns under an advisory lock. A schema that is newer than this
// program is left as it is.
func Migrate(ctx context.Context, url string, log *slog.Logger) error {
	return migrating(ctx, url, func(m *migrate.Migrator) error {
		current, err := m.GetCurrentVersion(ctx)
		if err != nil {
			return err
		}
		if latest := len(m.Migrations); int(current) > latest {
			log.WarnContext(ctx, "the schema is newer than this program", "schema", current, "program", latest)
			return nil
		}
		m.OnStart = func(number int32, name, _, _ string) {
			log.InfoContext(ctx, "migrating", "number", number, "name", name)
		}
		return m.Migrate(ctx)
	})
}

// MigrateDown takes the last migration back, with all that is stored in what it
// made. On an empty database it does nothing.
func MigrateDown(ctx context.Context, url string, log *slog.Logger) error {
	return migrating(ctx, url, func(m *migrate.Migrator) error {
		current, err := m.GetCurrentVersion(ctx)
		if err != nil || current == 0 {
			return err
		}
		m.OnStart = func(number int32, name, _, _ string) {
			log.WarnContext(ctx, "taking a migration back", "number", number, "name", name)
		}
		return m.MigrateTo(ctx, current-1)
	})
}

// Migrations returns the state of the schema.
func Migrations(ctx context.Context, url string) (status MigrationStatus, err error) {
	err = migrating(ctx, url, func(m *migrate.Migrator) error {
		current, err := m.GetCurrentVersion(ctx)
		status = MigrationStatus{Current: int(current), Latest: len(m.Migrations)}
		return err
	})
	return status, err
}

func migrating(ctx context.Context, url string, do func(*migrate.Migrator) error) error {
	config, err := pg.ConnConfig(url)
	if err != nil {
		return err
	}
	// Others may migrate, or append, for longer than an append would wait.
	config.RuntimeParams["lock_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return pg.Translate(err)
	}
	defer pg.CloseConn(conn)
	m, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return pg.Translate(err)
	}
	if err := m.LoadMigrations(migrations.Files); err != nil {
		return domain.ErrInternal.WithCause(err)
	}
	if err := do(m); err != nil {
		return pg.Translate(fmt.Errorf("migration: %w", err))
	}
	return nil
}
