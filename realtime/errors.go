package realtime

import (
	"math/rand/v2"
	"net/http"
	"time"

	"im/domain"
	"im/internal/edge"
	"im/realtime/wire"
)

// closeCodeOf returns the code that ends a socket whose hello failed with err.
func closeCodeOf(err error) wire.CloseCode {
	switch edge.Coded(err).Code {
	case domain.CodeUnauthenticated, domain.CodeForbidden, domain.CodeInvalid:
		return wire.CloseUnauthenticated
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
	writeProblem(w, status, domain.ErrInvalid.WithMessage(reason.Error()))
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
