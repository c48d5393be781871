package rest

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"

	"im/domain"
	"im/internal/edge"
)

// StatusOf returns the HTTP status of a code.
func StatusOf(code domain.Code) int {
	switch code {
	case domain.CodeInvalid:
		return http.StatusBadRequest
	case domain.CodeUnauthenticated, domain.CodeTokenExpired:
		return http.StatusUnauthorized
	case domain.CodeForbidden, domain.CodeBlocked, domain.CodeRejected:
		return http.StatusForbidden
	case domain.CodeNotFound:
		return http.StatusNotFound
	case domain.CodeConflict, domain.CodeIdempotencyConflict, domain.CodeLimitExceeded:
		return http.StatusConflict
	case domain.CodeCursorInvalid:
		return http.StatusGone
	case domain.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case domain.CodeRateLimited:
		return http.StatusTooManyRequests
	case domain.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// fail answers a call that failed. It is the one place where errors become
// answers. The log gets the errors that are not the client's.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	known := edge.Coded(err)
	status := StatusOf(known.Code)
	switch {
	case errors.Is(context.Cause(r.Context()), context.Canceled): // the client is gone
	case status == http.StatusServiceUnavailable:
		s.logger.WarnContext(r.Context(), "call not answered", "method", r.Method, "path", r.URL.Path, "error", err)
	case status >= http.StatusInternalServerError:
		s.logger.ErrorContext(r.Context(), "call failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	edge.WriteProblem(w, status, known)
}

// recover answers a call whose handler panicked, unless the answer has begun.
func (s *Server) recover(w *response, r *http.Request) {
	switch cause := recover(); cause {
	case nil:
	case http.ErrAbortHandler:
		panic(cause)
	default:
		s.logger.ErrorContext(r.Context(), "call panicked",
			"method", r.Method, "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
		if !w.begun {
			edge.WriteProblem(w, http.StatusInternalServerError, domain.ErrInternal)
		}
	}
}
