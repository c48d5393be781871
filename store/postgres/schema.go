package postgres

import (
	"context"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// versionTable is the table that stores, in one row, the number of the last migration
// that was run. It is in the schema of the other tables.
const versionTable = "im_schema_version"

// Databases of development versions have another version table, with other numbers in
// it. Their schema has the same tables and other functions, so that a comparison of
// numbers would not detect the difference.
const isDevelopmentSchemaSQL = `
SELECT to_regclass($1 || '.schema_version') IS NOT NULL AND to_regclass($1 || '.commits') IS NOT NULL
	AND to_regclass($1 || '.im_schema_version') IS NULL`

const (
	hasSchemaSQL = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`

	hasVersionSQL = `SELECT to_regclass($1 || '.im_schema_version') IS NOT NULL`
)

// schemaName returns the schema of the tables for use in statements.
func schemaName(config *pg.Config) string {
	if plainName.MatchString(config.Schema()) {
		return config.Schema()
	}
	return pgx.Identifier{config.Schema()}.Sanitize()
}

// plainName matches names that need no quotation marks. The migrator looks for its table
// by the name as it is written.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// schemaVersion returns the number of the last migration that was run; 0 if none was. It
// waits for no lock.
func schemaVersion(ctx context.Context, conn *pg.Session, config *pg.Config) (version int, err error) {
	var development, found bool
	schema := schemaName(config)
	if err := conn.QueryRow(ctx, isDevelopmentSchemaSQL, schema).Scan(&development); err != nil {
		return 0, err
	}
	if development {
		return 0, domain.ErrInternal.WithCause(ErrDevelopmentSchema)
	}
	if err := conn.QueryRow(ctx, hasVersionSQL, schema).Scan(&found); err != nil || !found {
		return 0, err
	}
	err = conn.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM `+schema+`.`+versionTable).Scan(&version)
	return version, err
}

// createSchema creates the schema of the tables if there is none.
func createSchema(ctx context.Context, conn *pg.Session, config *pg.Config) error {
	var found bool
	if err := conn.QueryRow(ctx, hasSchemaSQL, config.Schema()).Scan(&found); err != nil || found {
		return err
	}
	_, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+schemaName(config))
	if pg.SQLState(err) == pg.StateUnique { // it was created concurrently
		return nil
	}
	return err
}

// beginMigrations makes each migration begin with the settings that it depends on. The
// migrator resets all settings of the session after each one, so that the next one would
// have the defaults of the database.
func beginMigrations(all []*migrate.Migration, config *pg.Config) {
	prelude := `SET default_transaction_read_only = off;
SET transaction_read_only = off;
SET transaction_isolation = 'read committed';
SELECT set_config('search_path', ` + pg.Literal(config.SearchPath()) + `, false);

`
	for _, one := range all {
		one.UpSQL = prelude + one.UpSQL
		if one.DownSQL != "" {
			one.DownSQL = prelude + one.DownSQL
		}
	}
}
