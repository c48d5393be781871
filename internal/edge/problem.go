package edge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"im/domain"
)

// Coded returns the error of the domain in err's chain. An expired or canceled
// context is ErrUnavailable; every other error is ErrInternal. The cause is kept
// for the log and is not shown to clients.
func Coded(err error) *domain.Error {
	if known, ok := errors.AsType[*domain.Error](err); ok {
		return known
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return domain.ErrUnavailable.WithCause(err)
	}
	return domain.ErrInternal.WithCause(err)
}

// Problem is a problem document (RFC 9457) with the contract's members.
type Problem struct {
	Type         string            `json:"type"`
	Title        string            `json:"title"`
	Status       int               `json:"status"`
	Detail       string            `json:"detail"`
	Code         domain.Code       `json:"code"`
	Retry        domain.Retry      `json:"retry"`
	RetryAfterMS int64             `json:"retry_after_ms,omitempty"`
	Fields       map[string]string `json:"fields,omitempty"`
	RequestID    string            `json:"request_id,omitempty"`
}

// RequestIDHeader names every answer, so that a caller and the log can refer to the same
// request.
const RequestIDHeader = "X-Request-Id"

// WriteProblem answers a request with status and e as a problem document, which repeats
// the request id of the header.
func WriteProblem(w http.ResponseWriter, status int, e *domain.Error) {
	body, err := json.Marshal(Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code,
		Retry: e.Retry(), RetryAfterMS: e.After.Milliseconds(), Fields: e.Fields,
		RequestID: w.Header().Get(RequestIDHeader),
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
	_, _ = w.Write(body) // an error means that the client has gone
}
