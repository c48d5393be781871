package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"im/store/postgres/internal/pg"
)

// SQLSTATEs that decide whether to retry or to create the database.
const (
	cannotConnectNow   = "57P03" // the server is starting or stopping
	tooManyConnections = "53300"
	invalidCatalog     = "3D000" // there is no such database
	duplicateDatabase  = "42P04" // it was created concurrently
	uniqueViolation    = "23505" // likewise, at another point of CREATE DATABASE
	protocolViolation  = "08P01" // of a pooler, for any error of the server while it connects
	invalidParameter   = "22023" // here: the locale of template0 is for another encoding
)

// maintenance are databases that exist on most servers, to create another one from.
var maintenance = []string{"postgres", "template1"}

// CheckDatabase fails if the server cannot be reached, or if the database cannot be
// migrated. It may be missing if create is set. MayRetry is for the error.
func CheckDatabase(ctx context.Context, url string, create bool) error {
	config, err := pg.ParseURL(url, "im/migrate")
	if err != nil {
		return err
	}
	conn, err := pg.ConnectPlain(ctx, config, "")
	if isMissing(err) {
		if create {
			return nil
		}
		return &pg.ConfigError{Reason: fmt.Sprintf("the database %s does not exist: create it (CREATE DATABASE, or im migrate up --create), "+
			"or let nodes do so with IM_CREATE_DATABASE=true", config.Database)}
	}
	if err == nil {
		err = conn.Close(ctx)
	}
	if err == nil {
		_, err = Migrations(ctx, url)
	}
	if pg.SQLState(err) == pg.StatePrivilege { // the role may not read the version
		err = nil
	}
	return err
}

// EnsureDatabase checks that the database can be reached and creates a missing one, with
// the encoding that messages need. MayRetry is for its error.
func EnsureDatabase(ctx context.Context, url string, logger *slog.Logger) error {
	config, err := pg.ParseURL(url, "im/migrate")
	if err != nil {
		return err
	}
	conn, err := pg.ConnectPlain(ctx, config, "")
	if err == nil {
		return conn.Close(ctx)
	}
	if !isMissing(err) {
		return err
	}
	for _, name := range maintenance {
		if conn, err = pg.ConnectPlain(ctx, config, name); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	logger.InfoContext(ctx, "creating the database", "name", config.Database)
	if err := createDatabase(ctx, conn, config.Database); err != nil {
		return fmt.Errorf("database %s does not exist and cannot be created: %w", config.Database, err)
	}
	return nil
}

// isMissing reports whether a connection failed because there is no such database. Poolers
// pass the message of the server on, with another SQLSTATE.
func isMissing(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refused.Code == invalidCatalog ||
		refused.Code == protocolViolation && strings.HasPrefix(refused.Message, `database "`) && strings.HasSuffix(refused.Message, "does not exist"))
}

// createDatabase copies template0, because the encoding of template1 may be another one.
// If even the locale of template0 is for another encoding, the new database has the locale
// C: nothing in the store depends on it.
func createDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	create := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE template0 ENCODING 'UTF8'"
	_, err := conn.Exec(ctx, create)
	if pg.SQLState(err) == invalidParameter {
		_, err = conn.Exec(ctx, create+" LC_COLLATE 'C' LC_CTYPE 'C'")
	}
	switch pg.SQLState(err) {
	case duplicateDatabase, uniqueViolation:
		return nil
	}
	return err
}

// Readable returns err with a text for the operator: an error of connecting in one line.
func Readable(err error) error { return pg.Readable(err) }

// MayRetry reports whether the cause of an error of EnsureDatabase, Migrate or Open may go
// away by itself: a server that does not answer yet, but not a wrong password.
func MayRetry(err error) bool {
	if errors.Is(err, pg.ErrConfig) || errors.Is(err, ErrDevelopmentSchema) {
		return false
	}
	switch pg.SQLState(err) {
	case "", cannotConnectNow, tooManyConnections:
		return true
	default:
		// Poolers report a server that they do not reach as a violation of the protocol.
		return pg.Transient(err)
	}
}
