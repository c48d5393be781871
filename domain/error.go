package domain

import (
	"errors"
	"maps"
	"time"

	"im/internal/strictjson"
)

// Code is the kind of an error, for programs. The contract defines all codes.
type Code string

// The codes. Each edge (REST, WebSocket) maps them to its own status in one table.
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

// Retry is the advice to a client on sending the same request again.
type Retry string

// The values of Retry.
const (
	RetryNever Retry = "never" // do not: the answer would be the same
	RetryAgain Retry = "again" // after Error.After, or with the usual backoff if that is zero
	RetryAfter Retry = "after" // not before Error.After has passed
)

// Error is an error with a code and a message for the client, and a cause that is only
// for the log. errors.Is compares codes.
type Error struct {
	Code    Code
	Message string // for people; may change, so programs use Code
	// Fields maps JSON pointers (RFC 6901) into the request to what is wrong with the
	// value; nil if the error is not about single fields.
	Fields map[string]string
	// After is how long the client should wait before it retries; zero: unknown.
	After time.Duration

	final bool // it is not worth another try, whatever the code says
	cause error
}

// One error for each code, to match with errors.Is and to build on. ErrBlocked is in
// preferences.go.
var (
	ErrUnauthenticated     = &Error{Code: CodeUnauthenticated, Message: "a valid token is required"}
	ErrTokenExpired        = &Error{Code: CodeTokenExpired, Message: "the token has expired"}
	ErrForbidden           = &Error{Code: CodeForbidden, Message: "not allowed in this role"}
	ErrRejected            = &Error{Code: CodeRejected, Message: "rejected by the app"}
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

// Error returns code, message and cause. It is for logs, not for clients.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Unwrap returns the cause, which is not sent to clients.
func (e *Error) Unwrap() error { return e.cause }

// WithCause returns a copy of e with a cause for the log.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithMessage returns a copy of e with another message.
func (e *Error) WithMessage(message string) *Error {
	c := *e
	c.Message = message
	return &c
}

// WithField returns a copy of e with one more entry in Fields.
func (e *Error) WithField(pointer, reason string) *Error {
	c := *e
	c.Fields = maps.Clone(e.Fields)
	if c.Fields == nil {
		c.Fields = map[string]string{}
	}
	c.Fields[pointer] = reason
	return &c
}

// WithRetryAfter returns a copy of e that asks the client to wait before it retries.
func (e *Error) WithRetryAfter(delay time.Duration) *Error {
	c := *e
	c.After = delay
	return &c
}

// Final returns a copy of e whose Retry is RetryNever.
func (e *Error) Final() *Error {
	c := *e
	c.final = true
	return &c
}

// Retry returns the advice on sending the same request again. It follows from the code,
// unless the error is Final.
func (e *Error) Retry() Retry {
	if e.final {
		return RetryNever
	}
	switch e.Code {
	case CodeRateLimited:
		return RetryAfter
	case CodeUnavailable, CodeInternal:
		return RetryAgain
	default:
		return RetryNever
	}
}

// Invalid returns ErrInvalid for the field at pointer.
func Invalid(pointer, reason string) *Error { return ErrInvalid.WithField(pointer, reason) }

// InvalidJSON returns ErrInvalid for the JSON text at pointer, which strictjson.Check
// refused with err. The field that it names is the member or element with the defect.
func InvalidJSON(pointer string, err error) *Error {
	var wrong *strictjson.SyntaxError
	if errors.As(err, &wrong) {
		pointer += wrong.Pointer
	}
	return Invalid(pointer, err.Error())
}
