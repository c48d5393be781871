package wire

import "im/domain"

// CloseCode states in the close frame why a socket was closed. Its range says
// what the client does next: 4000–4099 reconnect, 4200–4299 get a new token,
// 4300–4499 stop.
type CloseCode uint16

// The codes of the contract, and those of RFC 6455 that the server uses.
const (
	CloseNormal          CloseCode = 1000
	CloseTooLarge        CloseCode = 1009
	CloseInternal        CloseCode = 1011
	CloseDraining        CloseCode = 4000
	CloseTooSlow         CloseCode = 4001
	CloseHeartbeat       CloseCode = 4002
	CloseOverloaded      CloseCode = 4003
	CloseEpoch           CloseCode = 4004
	CloseTokenExpired    CloseCode = 4200
	CloseProtocol        CloseCode = 4300
	CloseUnauthenticated CloseCode = 4400
	CloseEnded           CloseCode = domain.CloseEnded
	CloseReplaced        CloseCode = domain.CloseReplaced
	CloseTooMany         CloseCode = 4403
	CloseBanned          CloseCode = domain.CloseBanned
)

// String returns the reason that the close frame states beside the code.
func (c CloseCode) String() string {
	switch c {
	case CloseTooLarge:
		return "frame too large"
	case CloseInternal:
		return "internal error"
	case CloseDraining:
		return "draining"
	case CloseTooSlow:
		return "too slow"
	case CloseHeartbeat:
		return "heartbeat missed"
	case CloseOverloaded:
		return "overloaded"
	case CloseEpoch:
		return "epoch changed"
	case CloseTokenExpired:
		return "token expired"
	case CloseProtocol:
		return "protocol error"
	case CloseUnauthenticated:
		return "unauthenticated"
	case CloseEnded:
		return "session ended"
	case CloseReplaced:
		return "replaced by a newer session"
	case CloseTooMany:
		return "too many sessions"
	case CloseBanned:
		return "banned"
	default:
		return ""
	}
}

// Error implements error, so that reading from a socket can fail with the code
// to close it with.
func (c CloseCode) Error() string { return c.String() }
