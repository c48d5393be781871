package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"im/domain"
	"im/migrations"
	"im/store/postgres/internal/pg"
)

// MigrationStatus is the state of a database's schema.
type MigrationStatus struct {
	Current int // number of the last migration that was run; 0: none
	Latest  int // number of the last migration that this program has
}

// LatestSchema returns the number of the newest migration that this program has.
func LatestSchema(ctx context.Context) (int, error) {
	list, err := loadMigrations(ctx, migrations.Files)
	return len(list), err
}

// Migrations returns the state of the schema. It waits for no node that migrates, and
// writes nothing.
func Migrations(ctx context.Context, url string) (MigrationStatus, error) {
	list, err := loadMigrations(ctx, migrations.Files)
	if err != nil {
		return MigrationStatus{}, err
	}
	conn, err := newMigrator(MigrateOptions{URL: url}).connect(ctx)
	if err != nil {
		return MigrationStatus{}, pg.Translate(err)
	}
	defer conn.Close()
	current, err := conn.version(ctx)
	return MigrationStatus{Current: current, Latest: len(list)}, pg.Translate(err)
}

// checkSchema refuses a schema that lacks migrations of this program.
func checkSchema(ctx context.Context, db *pg.DB) error {
	list, err := loadMigrations(ctx, migrations.Files)
	if err != nil {
		return err
	}
	var current int
	err = db.Read(ctx, func(ctx context.Context) error {
		return db.Pool.QueryRow(ctx, `SELECT version FROM `+versionTable).Scan(&current)
	})
	switch {
	case pg.SQLState(err) == pg.StatePrivilege:
		return nil // the role may not read the version; the program works or does not
	case err != nil:
		return err
	}
	return lacking(MigrationStatus{Current: current, Latest: len(list)})
}

// explainTimeout is how long explainSchema may take, also when the time to open the
// database is over: the reason is what the operator needs then.
const explainTimeout = 2 * time.Second

// explainSchema returns a better error of opening a database, if its schema is the reason.
func explainSchema(ctx context.Context, url string, err error) error {
	switch pg.SQLState(err) {
	case pg.StateNoTable, pg.StateNoColumn, pg.StateNoFunction:
	default:
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), explainTimeout)
	defer cancel()
	status, statusErr := Migrations(ctx, url)
	if errors.Is(statusErr, ErrDevelopmentSchema) {
		return statusErr
	}
	if better := lacking(status); statusErr == nil && better != nil {
		return better
	}
	return err
}

// lacking returns an error unless the schema has all migrations.
func lacking(s MigrationStatus) error {
	switch {
	case s.Current == 0:
		return domain.ErrUnavailable.WithCause(errors.New("the database has no schema: run the migrations (im migrate up)"))
	case s.Current < s.Latest:
		return domain.ErrUnavailable.WithCause(fmt.Errorf(
			"the schema of the database has version %d, and this program needs %d: run the migrations (im migrate up)", s.Current, s.Latest))
	}
	return nil
}
