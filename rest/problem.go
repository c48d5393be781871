package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"im/domain"
)

// problem is an RFC 9457 document with the contract's members.
type problem struct {
	Type         string            `json:"type"`
	Title        string            `json:"title"`
	Status       int               `json:"status"`
	Detail       string            `json:"detail"`
	Code         domain.Code       `json:"code"`
	Retry        domain.Retry      `json:"retry"`
	RetryAfterMS int64             `json:"retry_after_ms,omitempty"`
	Fields       map[string]string `json:"fields,omitempty"`
}

// statusOf returns the HTTP status of a code.
func statusOf(code domain.Code) int {
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
	known := domainError(err)
	status := statusOf(known.Code)
	switch {
	case errors.Is(context.Cause(r.Context()), context.Canceled): // the client is gone
	case status == http.StatusServiceUnavailable:
		s.logger.WarnContext(r.Context(), "call not answered", "method", r.Method, "path", r.URL.Path, "error", err)
	case status >= http.StatusInternalServerError:
		s.logger.ErrorContext(r.Context(), "call failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, status, known)
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
			writeProblem(w, http.StatusInternalServerError, domain.ErrInternal)
		}
	}
}

// domainError returns the domain's error in err, or the one that stands for it.
func domainError(err error) *domain.Error {
	if known, ok := errors.AsType[*domain.Error](err); ok {
		return known
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return domain.ErrUnavailable
	}
	return domain.ErrInternal
}

func writeProblem(w http.ResponseWriter, status int, e *domain.Error) {
	body, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code,
		Retry: e.Retry(), RetryAfterMS: e.After.Milliseconds(), Fields: e.Fields,
	})
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`) // cannot happen: strings marshal
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if e.After > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.After+time.Second-1)/time.Second), 10))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client is gone
}
