package client

import (
	"context"
	"sync"
)

// tokens calls Options.Token and keeps the last token, for REST calls. It is safe for
// concurrent use.
type tokens struct {
	source func(context.Context) (string, error)

	mu   sync.Mutex
	last string
}

// next returns a new token from the source. An empty one is ErrUnauthenticated.
func (t *tokens) next(ctx context.Context) (string, error) {
	token, err := t.source(ctx)
	if err != nil {
		return "", err
	}
	if token == "" {
		return "", ErrUnauthenticated
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = token
	return token, nil
}

// current returns the last token, without asking the source; "" if there is none.
func (t *tokens) current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
