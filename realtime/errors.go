package realtime

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"im/domain"
	"im/internal/edge"
	"im/realtime/wire"
	"im/realtime/ws"
)

// ending is why a socket ends: an error frame says so before the close frame.
type ending struct {
	code wire.CloseCode
	id   string // of the frame that it answers; "" for none
	err  error
}

// endingOf returns the ending of a socket whose hello failed with err.
func endingOf(id string, err error) *ending { return &ending{closeCodeOf(err), id, err} }

// Error implements error.
func (e *ending) Error() string { return e.code.String() + ": " + e.err.Error() }

// Unwrap returns the close code.
func (e *ending) Unwrap() error { return e.code }

// brokeProtocol ends a socket with 4300.
func brokeProtocol(id, reason string) *ending {
	return &ending{wire.CloseProtocol, id, domain.ErrInvalid.WithMessage(reason)}
}

// lastWords returns the frame that says why a socket ends with err; nil if the close
// code says everything.
func (g *Gateway) lastWords(err error) wire.Frame {
	var end *ending
	var protocol *ws.ProtocolError
	switch {
	case errors.As(err, &end):
		return wire.Error(end.id, end.err)
	case errors.As(err, &protocol):
		return wire.Error("", domain.ErrInvalid.WithMessage(protocol.Reason))
	case errors.Is(err, wire.CloseTooLarge):
		return wire.Error("", domain.ErrTooLarge.WithMessage(fmt.Sprintf("a frame has more than %d bytes (frame_bytes)", g.o.Limits.FrameBytes)))
	}
	return nil
}

// closeCodeOf returns the code that ends a socket whose hello failed with err.
func closeCodeOf(err error) wire.CloseCode {
	switch edge.Coded(err).Code {
	case domain.CodeUnauthenticated, domain.CodeInvalid:
		return wire.CloseUnauthenticated
	case domain.CodeForbidden:
		return wire.CloseBanned // domain.ErrBanned: nothing else is forbidden in a hello
	case domain.CodeTokenExpired:
		return wire.CloseTokenExpired
	case domain.CodeConflict:
		return wire.CloseReplaced
	case domain.CodeLimitExceeded:
		return wire.CloseTooMany
	default:
		return wire.CloseOverloaded
	}
}

// tokenStatus returns the HTTP status for a token that was not accepted with err.
func tokenStatus(err error) int {
	switch edge.Coded(err).Code {
	case domain.CodeUnavailable:
		return http.StatusServiceUnavailable
	case domain.CodeInternal:
		return http.StatusInternalServerError
	case domain.CodeForbidden:
		return http.StatusForbidden
	default:
		return http.StatusUnauthorized
	}
}

// writeProblem refuses a handshake.
func writeProblem(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Cache-Control", "no-store")
	edge.WriteProblem(w, status, edge.Coded(err))
}

// refuseUpgrade answers a request that is not a WebSocket handshake.
func refuseUpgrade(w http.ResponseWriter, status int, reason error) {
	if status >= http.StatusInternalServerError {
		writeProblem(w, status, domain.ErrInternal.WithCause(reason))
		return
	}
	writeProblem(w, status, domain.ErrInvalid.WithMessage(reason.Error()+
		"; this path takes WebSocket handshakes only, and a proxy must pass on the headers Connection and Upgrade"))
}

// errFull refuses a socket on a node that has as many as it may have. The delays
// are random, so that the clients do not all come back at once.
func errFull() error {
	return domain.ErrUnavailable.WithMessage("this node is full").WithRetryAfter(time.Second + rand.N(4*time.Second))
}

// errDraining refuses what begins while the node stops.
func errDraining() error {
	return domain.ErrUnavailable.WithMessage("this node is going away").WithRetryAfter(time.Second)
}
