package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Closed says how the server closed a connection. Run returns it if the client must
// not connect again.
type Closed struct {
	// Code is the WebSocket close code: 4200 to 4299 ask for a new token; 1009 and 4300
	// to 4499 are final, such as 4400 (unauthenticated), 4401 (session ended by a backend
	// or by the user), 4402 (replaced by a newer session of the device) and 4403 (too
	// many sessions).
	Code int
	// Reason is the server's text for the log; it may be empty.
	Reason string
}

// Error implements error.
func (c *Closed) Error() string {
	if c.Reason == "" {
		return fmt.Sprintf("closed by the server with %d", c.Code)
	}
	return fmt.Sprintf("closed by the server with %d: %s", c.Code, c.Reason)
}

// refusedUpgrade is the error for an HTTP answer that is not a WebSocket.
type refusedUpgrade struct{ status int }

func (r *refusedUpgrade) Error() string {
	return fmt.Sprintf("the server answered %d %s", r.status, http.StatusText(r.status))
}

// reaction is what the client does after a connection.
type reaction int

const (
	reconnect reaction = iota
	renewToken
	stop
)

// reactionTo returns the reaction to the end of a connection: the range of a close
// code says it.
func reactionTo(err error) reaction {
	var closed *Closed
	var refused *refusedUpgrade
	switch {
	case errors.As(err, &closed):
		switch code := closed.Code; {
		case code >= 4200 && code <= 4299:
			return renewToken
		case code >= 4300 && code <= 4499, code == websocket.CloseMessageTooBig:
			return stop
		}
	case errors.As(err, &refused):
		if refused.status == http.StatusUnauthorized || refused.status == http.StatusForbidden {
			return stop
		}
	}
	return reconnect
}

// asClosed returns a *Closed for a close frame of the server, and other errors as
// they are.
func asClosed(err error) error {
	var c *websocket.CloseError
	if errors.As(err, &c) && c.Code != websocket.CloseAbnormalClosure {
		return &Closed{Code: c.Code, Reason: c.Text}
	}
	return err
}

// backoff returns random delays below a ceiling that doubles.
type backoff struct {
	first, most time.Duration
	tries       int
}

func (b *backoff) next() time.Duration {
	ceiling := b.first
	for range b.tries {
		if ceiling *= 2; ceiling >= b.most {
			ceiling = b.most
			break
		}
	}
	b.tries++
	return rand.N(ceiling + 1)
}

func (b *backoff) reset() { b.tries = 0 }
