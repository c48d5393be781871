package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/tern/v2/migrate"

	"im/domain"
	"im/migrations"
	"im/store/postgres/internal/pg"
)

// Errors of Migrate and MigrateDown; they are causes.
var (
	// ErrDevelopmentSchema means that a version before 1.0 made the database.
	ErrDevelopmentSchema = errors.New("the database was made by a development version before 1.0 and cannot be migrated: " +
		"use a new database (im dev: delete the data folder, by default .im)")
	// ErrMigrateTimeout means that MigrateOptions.Timeout has passed.
	ErrMigrateTimeout = errors.New("the migrations took too long")
)

// MigrateOptions configure Migrate and MigrateDown. Only URL is required.
type MigrateOptions struct {
	// URL is a connection string of PostgreSQL. It must not be that of a pooler that shares
	// sessions: then the error is ErrNoSession.
	URL string
	// Node is the name that other nodes log while they wait for this one.
	Node string
	// Timeout bounds the migrations and all waiting; 0 means no limit.
	Timeout time.Duration
	// Logger is slog.Default if nil.
	Logger *slog.Logger
}

// Migrate brings the schema up to date. Any number of nodes may call it at the same time:
// they take turns, and log which node they wait for. It leaves a schema that is newer than this
// program as it is, and logs a warning.
//
// A migration never waits longer than half a second for a lock, so that other sessions do
// not queue behind it for longer. Then it is rolled back, and starts again later.
func Migrate(ctx context.Context, o MigrateOptions) error {
	m := newMigrator(o)
	return m.run(ctx, func(current, latest int) int {
		if current > latest {
			m.Logger.WarnContext(ctx, "the database schema is newer than this program; leaving it as it is",
				"schema", current, "program", latest)
		}
		return max(current, latest)
	})
}

// MigrateDown reverts the last migration and deletes everything that is stored in the
// tables it created. It does nothing on an empty database.
func MigrateDown(ctx context.Context, o MigrateOptions) error {
	return newMigrator(o).run(ctx, func(current, _ int) int { return max(current-1, 0) })
}

// migrator runs migrations on a connection of its own. Another one observes the first.
//
//	state    | what it does, and the next state
//	looking  | reads the version; done if there is nothing to do, else waiting
//	waiting  | tries to get the migrators' lock, and looks whether something is left to
//	         | do; running once it has the lock
//	running  | runs one migration; pausing if it had to wait for a lock too long; done after
//	         | the last one
//	pausing  | waits without any lock on tables, longer each time; running
//
// The lock on the migrators is held from waiting to done. It ends with the connection.
type migrator struct {
	MigrateOptions

	files         fs.FS
	lockTimeout   time.Duration // how long a migration waits for a lock
	shortestPause time.Duration // before it starts again
	longestPause  time.Duration
	reportEvery   time.Duration // while something takes long
}

func newMigrator(o MigrateOptions) *migrator {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &migrator{
		MigrateOptions: o, files: migrations.Files,
		lockTimeout: 500 * time.Millisecond, shortestPause: time.Second, longestPause: 15 * time.Second,
		reportEvery: 10 * time.Second,
	}
}

// run brings the schema to the version that plan returns for the present and the latest
// one. An equal version is nothing to do.
func (m *migrator) run(ctx context.Context, plan func(current, latest int) int) error {
	if m.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.Timeout, ErrMigrateTimeout)
		defer cancel()
	}
	err := m.session(ctx, plan)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrMigrateTimeout) {
		return domain.ErrInternal.WithCause(fmt.Errorf("%w (%s): %w", cause, m.Timeout, unwrapped(err)))
	}
	if err != nil {
		return pg.Translate(fmt.Errorf("migration: %w", err))
	}
	return nil
}

// unwrapped returns the cause of an error of the domain, or err.
func unwrapped(err error) error {
	if known, ok := errors.AsType[*domain.Error](err); ok && known.Unwrap() != nil {
		return known.Unwrap()
	}
	return err
}

// session does the work of run on one connection.
func (m *migrator) session(ctx context.Context, plan func(current, latest int) int) error {
	list, err := loadMigrations(ctx, m.files)
	if err != nil {
		return err
	}
	conn, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A node that has nothing to migrate must not wait for one that does.
	current, err := conn.version(ctx)
	if err != nil || plan(current, len(list)) == current {
		return err
	}
	if err := m.prepare(ctx, conn, m.lockTimeout); err != nil {
		return err
	}
	needed, err := m.takeTurn(ctx, conn, func(current int) bool { return plan(current, len(list)) != current })
	if err != nil || !needed {
		return err
	}
	defer conn.giveUpTurn() // a pooler may keep the session
	if current, err = conn.version(ctx); err != nil {
		return err
	}
	tern, err := newTern(ctx, conn, list)
	if err != nil {
		return err
	}
	for target := plan(current, len(list)); current != target; {
		if current, err = m.step(ctx, conn, tern, current, target); err != nil {
			return err
		}
	}
	return nil
}

// newTern returns the runner of the migrations. The caller holds the migrators' lock.
func newTern(ctx context.Context, conn *migratorConn, list []*migrate.Migration) (*migrate.Migrator, error) {
	if err := createSchema(ctx, conn.Session, conn.config); err != nil {
		return nil, err
	}
	// The name has its schema, because tern resets the search_path after each migration.
	tern, err := migrate.NewMigrator(ctx, conn.Conn, schemaName(conn.config)+"."+versionTable)
	if err != nil {
		return nil, err
	}
	tern.Migrations = list
	beginMigrations(tern.Migrations, conn.config)
	return tern, nil
}

// loadMigrations reads the migrations of files.
func loadMigrations(ctx context.Context, files fs.FS) ([]*migrate.Migration, error) {
	loader, err := migrate.NewMigrator(ctx, nil, versionTable)
	if err != nil {
		return nil, err
	}
	if err := loader.LoadMigrations(files); err != nil {
		return nil, domain.ErrInternal.WithCause(err)
	}
	return loader.Migrations, nil
}
