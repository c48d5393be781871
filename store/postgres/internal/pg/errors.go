package pg

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"im/domain"
)

// SQLSTATEs that are told apart.
const (
	StateSerialization  = "40001"
	StateDeadlock       = "40P01"
	StateLockTimeout    = "55P03"
	StateCanceled       = "57014"
	StateReadOnly       = "25006"
	StateNotInState     = "55000" // recovery is in progress, for one
	StateNoTable        = "42P01"
	StateUnique         = "23505"
	StateNoConversation = "IM001" // of im_append_1
	StateBlocked        = "IM002" // of im_direct_blocks_1
)

// Translate turns what the driver says into what callers read: errors of the
// domain pass, trouble that may pass is unavailable, all else internal.
func Translate(err error) error {
	var known *domain.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case ConnectionLost(err), Transient(err), errors.Is(err, context.Canceled):
		return domain.ErrUnavailable.WithCause(err)
	case SQLState(err) == StateBlocked:
		return domain.ErrBlocked
	case SQLState(err) == StateNoTable:
		return domain.ErrUnavailable.WithCause(errors.Join(errNoSchema, err))
	default:
		return domain.ErrInternal.WithCause(err)
	}
}

func SQLState(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// Violates tells whether a constraint refused.
func Violates(err error, constraint string) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.ConstraintName == constraint
}

// ConnectionLost tells whether the server's answer is missing, not negative: the
// statement may have been carried out.
func ConnectionLost(err error) bool {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Severity == "FATAL" || failed.Severity == "PANIC"
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connecting) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// Transient tells whether the server refused for a reason that may be gone when
// asked again: nothing was written.
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

func NoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

var errNoSchema = errors.New("the database has no schema of this program: run the migrations")
