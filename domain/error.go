package domain

import (
	"errors"
	"maps"
	"time"

	"im/internal/strictjson"
)

// Code is what a client reads of an error. The set is fixed by the contract.
type Code string

// The codes. Each edge (REST, WebSocket) maps them to its own form in one table.
const (
	CodeUnauthenticated     Code = "unauthenticated"
	CodeTokenExpired        Code = "token_expired"
	CodeForbidden           Code = "forbidden"
	CodeBlocked             Code = "blocked"
	CodeRejected            Code = "rejected"
	CodeNotFound            Code = "not_found"
	CodeConflict            Code = "conflict"
	CodeIdempotencyConflict Code = "idempotency_conflict"
	CodeLimitExceeded       Code = "limit_exceeded"
	CodeCursorInvalid       Code = "cursor_invalid"
	CodeTooLarge            Code = "too_large"
	CodeInvalid             Code = "invalid"
	CodeRateLimited         Code = "rate_limited"
	CodeUnavailable         Code = "unavailable"
	CodeInternal            Code = "internal"
)

// Retry tells a client what becomes of the same request sent once more.
type Retry string

// The values of Retry.
const (
	RetryNever Retry = "never" // the answer would be the same
	RetryAgain Retry = "again" // with the usual backoff, or after the delay if one is named
	RetryAfter Retry = "after" // not before the delay that is named
)

// Error is an error with a code for the client and, apart from that, a cause
// for the log. Errors are equal (errors.Is) when their codes are.
type Error struct {
	Code    Code
	Message string
	// Fields maps JSON pointers (RFC 6901) into the request to what is wrong there.
	Fields map[string]string
	// After is the delay to name to the client; zero names none.
	After time.Duration

	cause error
}

// One error for each code, to match with errors.Is and to build on.
var (
	ErrUnauthenticated     = &Error{Code: CodeUnauthenticated, Message: "a valid token is required"}
	ErrTokenExpired        = &Error{Code: CodeTokenExpired, Message: "the token has expired"}
	ErrForbidden           = &Error{Code: CodeForbidden, Message: "not allowed in this role"}
	ErrNotFound            = &Error{Code: CodeNotFound, Message: "no such thing, or not yours to see"}
	ErrConflict            = &Error{Code: CodeConflict, Message: "not possible in the present state"}
	ErrIdempotencyConflict = &Error{Code: CodeIdempotencyConflict, Message: "the same client id was used for something else"}
	ErrLimitExceeded       = &Error{Code: CodeLimitExceeded, Message: "a limit is reached"}
	ErrCursorInvalid       = &Error{Code: CodeCursorInvalid, Message: "the cursor cannot be used; start without one"}
	ErrTooLarge            = &Error{Code: CodeTooLarge, Message: "too large"}
	ErrInvalid             = &Error{Code: CodeInvalid, Message: "the request is not valid"}
	ErrRateLimited         = &Error{Code: CodeRateLimited, Message: "too many requests"}
	ErrUnavailable         = &Error{Code: CodeUnavailable, Message: "not available at the moment; the outcome may be unknown: send again with the same id"}
	ErrInternal            = &Error{Code: CodeInternal, Message: "internal error"}
)

// Error returns code, message and cause; it is for logs, not for clients.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Is matches by code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Unwrap returns the cause, which clients never see.
func (e *Error) Unwrap() error { return e.cause }

// WithCause returns a copy of e that carries cause for the log.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithMessage returns a copy of e with another message for the client.
func (e *Error) WithMessage(message string) *Error {
	c := *e
	c.Message = message
	return &c
}

// WithField returns a copy of e that names the field at pointer.
func (e *Error) WithField(pointer, reason string) *Error {
	c := *e
	c.Fields = maps.Clone(e.Fields)
	if c.Fields == nil {
		c.Fields = map[string]string{}
	}
	c.Fields[pointer] = reason
	return &c
}

// WithRetryAfter returns a copy of e that asks the client to wait for delay.
func (e *Error) WithRetryAfter(delay time.Duration) *Error {
	c := *e
	c.After = delay
	return &c
}

// Retry tells what to do with the same request.
func (e *Error) Retry() Retry {
	switch e.Code {
	case CodeRateLimited:
		return RetryAfter
	case CodeUnavailable, CodeInternal:
		return RetryAgain
	default:
		return RetryNever
	}
}

// Invalid is the refusal of one field of a request.
func Invalid(pointer, reason string) *Error { return ErrInvalid.WithField(pointer, reason) }

// InvalidJSON is the refusal of the text at pointer, which strictjson.Check has
// refused with err. It names the member that err is in.
func InvalidJSON(pointer string, err error) *Error {
	var wrong *strictjson.SyntaxError
	if errors.As(err, &wrong) {
		pointer += wrong.Pointer
	}
	return Invalid(pointer, err.Error())
}
