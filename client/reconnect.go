package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Closed is how the server ended a connection for good; Run returns it.
type Closed struct {
	Code   int // of the contract's table of close codes
	Reason string
}

// Error implements error.
func (c *Closed) Error() string {
	if c.Reason == "" {
		return fmt.Sprintf("closed by the server with %d", c.Code)
	}
	return fmt.Sprintf("closed by the server with %d: %s", c.Code, c.Reason)
}

// refusedUpgrade is an HTTP answer in place of a socket.
type refusedUpgrade struct{ status int }

func (r *refusedUpgrade) Error() string {
	return fmt.Sprintf("the server answered %d %s", r.status, http.StatusText(r.status))
}

// verdict is what the end of a connection asks for.
type verdict int

const (
	reconnect verdict = iota
	renewToken
	stop
)

// judge reads the contract's ranges of close codes.
func judge(err error) verdict {
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

// closedBy turns the transport's close into ours, and leaves other errors.
func closedBy(err error) error {
	var c *websocket.CloseError
	if errors.As(err, &c) && c.Code != websocket.CloseAbnormalClosure {
		return &Closed{Code: c.Code, Reason: c.Text}
	}
	return err
}

// backoff is full jitter over a ceiling that doubles.
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
