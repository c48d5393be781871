package postgres

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
	stateSerialization  = "40001"
	stateDeadlock       = "40P01"
	stateLockTimeout    = "55P03"
	stateCanceled       = "57014"
	stateReadOnly       = "25006"
	stateNotInState     = "55000" // recovery is in progress, for one
	stateNoTable        = "42P01"
	stateUnique         = "23505"
	stateNoConversation = "IM001" // of im_append_1
	stateBlocked        = "IM002" // of im_direct_blocks_1
)

// translate turns what the driver says into what callers read: errors of the
// domain pass, trouble that may pass is unavailable, all else internal.
func translate(err error) error {
	var known *domain.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case connectionLost(err), passing(err), errors.Is(err, context.Canceled):
		return domain.ErrUnavailable.WithCause(err)
	case sqlState(err) == stateBlocked:
		return domain.ErrBlocked
	case sqlState(err) == stateNoTable:
		return domain.ErrUnavailable.WithCause(errors.Join(errSchema, err))
	default:
		return domain.ErrInternal.WithCause(err)
	}
}

func sqlState(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// violates tells whether a constraint refused.
func violates(err error, constraint string) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.ConstraintName == constraint
}

// connectionLost tells whether the server's answer is missing, not negative: the
// statement may have been carried out.
func connectionLost(err error) bool {
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

// passing tells whether the server refused for a reason that may be gone when
// asked again: nothing was written.
func passing(err error) bool {
	code := sqlState(err)
	switch code {
	case stateSerialization, stateDeadlock, stateLockTimeout, stateCanceled, stateReadOnly, stateNotInState:
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

func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
