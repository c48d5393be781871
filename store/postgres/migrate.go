package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"im/domain"
	"im/migrations"
	"im/store/postgres/internal/pg"
)

// versionTable is the table that stores, in one row, the number of the last migration
// that was run.
const versionTable = "public.im_schema_version"

// Databases of development versions have another version table, with other numbers in
// it. Their schema has the same tables and other functions, so that a comparison of
// numbers would not detect the difference.
const isDevelopmentSchemaSQL = `
SELECT to_regclass('public.schema_version') IS NOT NULL AND to_regclass('public.commits') IS NOT NULL
	AND to_regclass('public.im_schema_version') IS NULL`

// ErrDevelopmentSchema is the cause of the error of Migrate, MigrateDown and Migrations
// for such a database.
var ErrDevelopmentSchema = errors.New("the database was made by a development version before 1.0 and cannot be migrated: " +
	"use a new database (im dev: delete the data folder, by default .im)")

// MigrationStatus is the state of a database's schema.
type MigrationStatus struct {
	Current int // number of the last migration that was run; 0: none
	Latest  int // number of the last migration that this program has
}

// Migrate brings the schema up to date. Any number of nodes may call it at the same
// time: an advisory lock makes them take turns. It leaves a schema that is newer than
// this program as it is, and logs a warning.
func Migrate(ctx context.Context, url string, log *slog.Logger) error {
	return migrating(ctx, url, func(m *migrate.Migrator) error {
		current, err := m.GetCurrentVersion(ctx)
		if err != nil {
			return err
		}
		if latest := len(m.Migrations); int(current) > latest {
			log.WarnContext(ctx, "the database schema is newer than this program; leaving it as it is",
				"schema", current, "program", latest)
			return nil
		}
		m.OnStart = func(number int32, name, _, _ string) {
			log.InfoContext(ctx, "running a migration", "number", number, "name", name)
		}
		return m.Migrate(ctx)
	})
}

// MigrateDown reverts the last migration and deletes everything that is stored in the
// tables it created. It does nothing on an empty database.
func MigrateDown(ctx context.Context, url string, log *slog.Logger) error {
	return migrating(ctx, url, func(m *migrate.Migrator) error {
		current, err := m.GetCurrentVersion(ctx)
		if err != nil || current == 0 {
			return err
		}
		m.OnStart = func(number int32, name, _, _ string) {
			log.WarnContext(ctx, "reverting a migration", "number", number, "name", name)
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

// migrating calls do with a migrator on a connection of its own.
func migrating(ctx context.Context, url string, do func(*migrate.Migrator) error) error {
	config, err := pg.ConnConfig(url)
	if err != nil {
		return err
	}
	// Another node may hold the migrators' lock, or the locks of an append, for longer
	// than an append would wait for them.
	config.RuntimeParams["lock_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return pg.Translate(err)
	}
	defer pg.CloseConn(conn)
	var development bool
	if err := conn.QueryRow(ctx, isDevelopmentSchemaSQL).Scan(&development); err != nil {
		return pg.Translate(err)
	}
	if development {
		return domain.ErrInternal.WithCause(ErrDevelopmentSchema)
	}
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
