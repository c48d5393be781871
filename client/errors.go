package client

import (
	"errors"
	"time"

	"im/domain"
)

// ErrClosed is returned by calls to a client whose Run has ended.
var ErrClosed = errors.New("the client is closed")

// Error is a refusal by the server. Code says why and Retry what to do about it;
// Fields names what is wrong in the request, After the delay before a retry.
// errors.Is matches by code, as in errors.Is(err, client.ErrNotFound).
type Error = domain.Error

// The refusals, one for each code. They are not to be changed.
var (
	ErrUnauthenticated     = domain.ErrUnauthenticated
	ErrTokenExpired        = domain.ErrTokenExpired
	ErrForbidden           = domain.ErrForbidden
	ErrBlocked             = domain.ErrBlocked
	ErrRejected            = &Error{Code: domain.CodeRejected, Message: "rejected by the application"}
	ErrNotFound            = domain.ErrNotFound
	ErrConflict            = domain.ErrConflict
	ErrIdempotencyConflict = domain.ErrIdempotencyConflict
	ErrLimitExceeded       = domain.ErrLimitExceeded
	ErrCursorInvalid       = domain.ErrCursorInvalid
	ErrTooLarge            = domain.ErrTooLarge
	ErrInvalid             = domain.ErrInvalid
	ErrRateLimited         = domain.ErrRateLimited
	ErrUnavailable         = domain.ErrUnavailable
	ErrInternal            = domain.ErrInternal
)

// What Error.Retry returns.
const (
	RetryNever = domain.RetryNever // the answer would be the same
	RetryAgain = domain.RetryAgain // send it again, with a backoff
	RetryAfter = domain.RetryAfter // send it again after Error.After
)

// errorFrame is the common part of an error frame and a problem document.
type errorFrame struct {
	Code         domain.Code       `json:"code"`
	Message      string            `json:"message"`
	Retry        domain.Retry      `json:"retry"`
	RetryAfterMS int64             `json:"retry_after_ms"`
	Fields       map[string]string `json:"fields"`
}

func (f *errorFrame) err() *Error {
	return &Error{
		Code: f.Code, Message: f.Message, Fields: f.Fields,
		After: time.Duration(f.RetryAfterMS) * time.Millisecond,
	}
}
