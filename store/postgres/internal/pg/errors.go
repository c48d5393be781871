package pg

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"im/domain"
)

// The SQLSTATEs that are handled.
const (
	StateSerialization  = "40001"
	StateDeadlock       = "40P01"
	StateLockTimeout    = "55P03"
	StateCanceled       = "57014"
	StateReadOnly       = "25006"
	StateNotInState     = "55000" // for example: recovery is in progress
	StateNoTable        = "42P01"
	StateNoColumn       = "42703"
	StateNoFunction     = "42883"
	StatePrivilege      = "42501"
	StateUnique         = "23505"
	StateNoConversation = "IM001" // of im_append_1
	StateBlocked        = "IM002" // of im_direct_blocks_1
	StateOtherServer    = "IM003" // of im_expect_server_1

	stateProtocol = "08P01" // poolers answer with it
)

// Translate returns the *domain.Error of an error of the driver. Errors of the domain
// are returned as they are; lost connections and transient errors are
// domain.ErrUnavailable; all others are domain.ErrInternal.
func Translate(err error) error {
	var known *domain.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrConfig):
		return domain.ErrInternal.WithCause(err)
	case ConnectionLost(err), Transient(err), errors.Is(err, context.Canceled):
		return domain.ErrUnavailable.WithCause(err)
	case SQLState(err) == StateBlocked:
		return domain.ErrBlocked
	case SQLState(err) == StateNoTable, SQLState(err) == StateNoFunction:
		return domain.ErrUnavailable.WithCause(errors.Join(errNoSchema, err))
	default:
		return domain.ErrInternal.WithCause(err)
	}
}

// SQLState returns the SQLSTATE of an error that the server returned, else "".
func SQLState(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// Violates reports whether err is a violation of the constraint.
func Violates(err error, constraint string) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.ConstraintName == constraint
}

// serverMessage returns the message of an error that the server returned.
func serverMessage(err error) string {
	if failed, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failed.Message
	}
	return err.Error()
}

// ConnectionLost reports whether there was no answer from the server. The statement may
// have been executed. A pooler that has gone over to another server counts as well.
func ConnectionLost(err error) bool {
	if errors.Is(err, errPoolerFound) {
		return true
	}
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		severity := cmp.Or(failed.SeverityUnlocalized, failed.Severity) // the latter is in the language of the server
		return severity == "FATAL" || severity == "PANIC" || failed.Code == StateOtherServer
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connecting) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// Transient reports whether the server refused the statement for a reason that a retry
// may not meet. Nothing was written.
func Transient(err error) bool {
	code := SQLState(err)
	switch code {
	case StateSerialization, StateDeadlock, StateLockTimeout, StateCanceled, StateReadOnly, StateNotInState:
		return true
	case "":
		return false
	}
	switch code[:2] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system
		return true
	}
	return false
}

// NoRows reports whether a query returned no row.
func NoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

var errNoSchema = errors.New("the database has no schema of this program, or an older one: run the migrations")
