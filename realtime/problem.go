package realtime

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"im/domain"
)

// problem is the answer to a handshake that is refused (RFC 9457).
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

func writeProblem(w http.ResponseWriter, status int, err error) {
	e := coded(err)
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	switch {
	case status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case e.After > 0:
		header.Set("Retry-After", strconv.FormatInt(int64((e.After+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{ // the client may be gone: nobody to tell
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, Retry: e.Retry(),
		RetryAfterMS: e.After.Milliseconds(), Fields: e.Fields,
	})
}

// refusedHandshake is what a client is told whose request is no handshake.
func refusedHandshake(status int, reason error) error {
	if status >= http.StatusInternalServerError {
		return domain.ErrInternal.WithCause(reason)
	}
	return domain.ErrInvalid.WithMessage(reason.Error())
}

// statusOf is the HTTP status of a token that is not accepted.
func statusOf(err error) int {
	switch coded(err).Code {
	case domain.CodeUnavailable:
		return http.StatusServiceUnavailable
	case domain.CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusUnauthorized
	}
}
