package realtime

import (
	"context"
	"errors"
	"time"

	"im/domain"
)

// closeCode tells a client why its socket was closed; the range tells it what
// to do (4000–4099 reconnect, 4200–4299 new token, 4300–4499 stop).
type closeCode uint16

const (
	closeNormal          closeCode = 1000
	closeTooLarge        closeCode = 1009
	closePanic           closeCode = 1011
	closeDraining        closeCode = 4000
	closeTooSlow         closeCode = 4001
	closeHeartbeat       closeCode = 4002
	closeOverloaded      closeCode = 4003
	closeEpoch           closeCode = 4004
	closeTokenExpired    closeCode = 4200
	closeProtocol        closeCode = 4300
	closeUnauthenticated closeCode = 4400
	closeEnded           closeCode = 4401
	closeReplaced        closeCode = domain.CloseReplaced
	closeTooMany         closeCode = 4403
)

// String is the reason beside the code in the close frame.
func (c closeCode) String() string {
	switch c {
	case closeNormal:
		return ""
	case closeTooLarge:
		return "frame too large"
	case closePanic:
		return "internal error"
	case closeDraining:
		return "draining"
	case closeTooSlow:
		return "too slow"
	case closeHeartbeat:
		return "heartbeat missed"
	case closeOverloaded:
		return "overloaded"
	case closeEpoch:
		return "epoch changed"
	case closeTokenExpired:
		return "token expired"
	case closeProtocol:
		return "protocol error"
	case closeUnauthenticated:
		return "unauthenticated"
	case closeEnded:
		return "session ended"
	case closeReplaced:
		return "replaced by a newer session"
	case closeTooMany:
		return "too many sessions"
	default:
		return ""
	}
}

// Error implements error: a socket's reading ends with the code to close it with.
func (c closeCode) Error() string { return c.String() }

// closeCodeOf is how a hello ends that did not become a session.
func closeCodeOf(err error) closeCode {
	switch coded(err).Code {
	case domain.CodeUnauthenticated, domain.CodeForbidden, domain.CodeInvalid:
		return closeUnauthenticated
	case domain.CodeTokenExpired:
		return closeTokenExpired
	case domain.CodeConflict:
		return closeReplaced
	case domain.CodeLimitExceeded:
		return closeTooMany
	default:
		return closeOverloaded
	}
}

type errorFrame struct {
	Type         string            `json:"type"`
	ID           string            `json:"id,omitempty"`
	Code         domain.Code       `json:"code"`
	Message      string            `json:"message"`
	Retry        domain.Retry      `json:"retry"`
	RetryAfterMS int64             `json:"retry_after_ms,omitempty"`
	Fields       map[string]string `json:"fields,omitempty"`
}

// newErrorFrame is the answer to the request id ("" if it has none that could
// be read). The cause of err stays here.
func newErrorFrame(id string, err error) wire {
	e := coded(err)
	return jsonFrame(errorFrame{
		Type: "error", ID: id, Code: e.Code, Message: e.Message, Retry: e.Retry(),
		RetryAfterMS: int64((e.After + time.Millisecond - 1) / time.Millisecond), Fields: e.Fields,
	})
}

// coded returns err as what a client may know of it.
func coded(err error) *domain.Error {
	var e *domain.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return domain.ErrUnavailable.WithCause(err)
	default:
		return domain.ErrInternal.WithCause(err)
	}
}
