package rest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/ogen-go/ogen/ogenerrors"

	"im/domain"
)

// problem is RFC 9457 with the contract's members.
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

// statusOf is the contract's table of codes.
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

// problems writes errors for clients, and those that are ours for the log.
type problems struct {
	logger *slog.Logger
}

// handle is the one place where errors become answers. It has the form of the
// generated server's error handler.
func (p problems) handle(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
	known := translate(err)
	status := statusOf(known.Code)
	switch {
	case errors.Is(context.Cause(r.Context()), context.Canceled): // nobody waits for the answer
	case status == http.StatusServiceUnavailable:
		p.logger.WarnContext(ctx, "call not answered", "method", r.Method, "path", r.URL.Path, "error", err)
	case status >= http.StatusInternalServerError:
		p.logger.ErrorContext(ctx, "call failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	write(w, status, known)
}

// panicked answers for a handler that panicked, if it is not too late.
func (p problems) panicked(w *answer, r *http.Request, cause any) {
	p.logger.ErrorContext(r.Context(), "call panicked",
		"method", r.Method, "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
	if !w.begun {
		write(w, http.StatusInternalServerError, domain.ErrInternal)
	}
}

// translate finds the domain's error in err, or the one that err amounts to.
func translate(err error) *domain.Error {
	if known, ok := errors.AsType[*domain.Error](err); ok {
		return known
	}
	_, isParams := errors.AsType[*ogenerrors.DecodeParamsError](err)
	_, isRequest := errors.AsType[*ogenerrors.DecodeRequestError](err)
	switch {
	case errors.Is(err, ogenerrors.ErrSecurityRequirementIsNotSatisfied):
		return domain.ErrUnauthenticated
	case isParams || isRequest:
		return refusal(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return domain.ErrUnavailable
	default:
		return domain.ErrInternal
	}
}

func write(w http.ResponseWriter, status int, e *domain.Error) {
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
	_, _ = w.Write(body) // a reader who went away needs no answer
}
