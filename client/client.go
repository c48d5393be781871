package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Client is one device of one user. Its methods may be called concurrently, by
// callbacks too, and before Run or without a connection.
//
// Three goroutines run it: one reads the socket, one writes it and watches the
// clock, one calls the callbacks. They share the engine, under one mutex.
type Client struct {
	opts   Options
	http   *http.Client
	tokens *tokens
	timing timing
	wake   chan struct{} // the callbacks have work
	slots  chan struct{} // bounds the calls that wait for an answer
	known  chan struct{} // closed at the first welcome
	ready  chan struct{} // closed at the first complete sync
	closed chan struct{} // closed when Run has ended

	mu      sync.Mutex
	engine  *engine
	ended   bool
	isKnown bool // known is closed
	isReady bool // ready is closed
}

// New checks the options and returns a client that is not connected before Run.
// REST calls work without Run.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	timing := defaultTiming()
	return &Client{
		opts: o, http: &http.Client{Timeout: CallTimeout}, tokens: &tokens{source: o.Token}, timing: timing,
		wake: make(chan struct{}, 1), slots: make(chan struct{}, MaxPending),
		known: make(chan struct{}), ready: make(chan struct{}), closed: make(chan struct{}),
		engine: newEngine(o.History, o.Logger, timing.retry),
	}, nil
}

// Run keeps the client connected until ctx ends, and then returns nil. It returns
// an error if the server closes the client for good (*Closed), if the token source
// has no newer token than an expired one, or if a callback or the store fails. It
// can be called once.
func (c *Client) Run(ctx context.Context) error {
	stored, err := c.opts.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("client: load positions: %w", err)
	}
	c.locked(func(e *engine) { e.restore(stored) })
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return c.runCallbacks(running) })
	group.Go(func() error { return c.stayConnected(running) })
	err = group.Wait()
	c.http.CloseIdleConnections()
	c.locked(func(e *engine) {
		c.ended = true
		close(c.closed)
		e.outbox.fail(ErrClosed)
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// stayConnected runs one connection after another. It returns when ctx ends, or
// when the server closed the client for good.
func (c *Client) stayConnected(ctx context.Context) error {
	retry, urls := c.timing.retry, c.opts.URLs
	expired, failures := "", 0
	for i := 0; ; i++ {
		lived, token, err := c.connect(ctx, urls[i%len(urls)], c.timing.dialTimeout(failures, len(urls)))
		if failures++; lived > 0 {
			failures = 0
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch reactionTo(err) {
		case stop:
			return err
		case renewToken:
			if expired == token {
				return fmt.Errorf("client: no newer token: %w", err)
			}
			expired = token
		}
		c.opts.Logger.Info("disconnected, connecting again", "error", err)
		c.setStatus(Status{State: Offline, Err: err})
		if lived > c.timing.settled {
			retry.reset()
		}
		if errors.Is(err, errDrained) {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry.next()):
		}
	}
}

// locked calls f with the engine, under the mutex, and wakes the callbacks if they
// have work then.
func (c *Client) locked(f func(*engine)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.engine)
	if c.engine.mirror.self != "" && !c.isKnown {
		c.isKnown = true
		close(c.known)
	}
	if c.engine.online && !c.isReady {
		c.isReady = true
		close(c.ready)
	}
	if c.engine.hasWork() {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *Client) setStatus(s Status) { c.locked(func(e *engine) { e.inbox.status = &s }) }
func (c *Client) disconnected()      { c.locked((*engine).disconnected) }
func (c *Client) tick()              { c.locked((*engine).tick) }
func (c *Client) acknowledge()       { c.locked((*engine).acknowledge) }

func (c *Client) welcomed(w *welcomeFrame, send func([]byte)) {
	c.locked(func(e *engine) {
		if e.send == nil {
			e.inbox.status = &Status{State: Syncing}
		}
		e.welcomed(w, send)
	})
}

func (c *Client) receive(data []byte) (err error) {
	c.locked(func(e *engine) { err = e.receive(data) })
	return err
}

// Conversations returns the user's conversations as far as the client knows them,
// newest activity first. The list is complete once Synced has returned.
func (c *Client) Conversations() []Conversation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.mirror.list()
}

// Conversation returns one of Conversations; ok is false if it is not among them.
func (c *Client) Conversation(id ConversationID) (v Conversation, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.engine.mirror.views[id]
	if known == nil {
		return v, false
	}
	return known.Conversation, true
}

// User returns the user of the token; "" before the first connection.
func (c *Client) User() UserID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.mirror.self
}

// Limits returns the limits of the server; the defaults before the first connection.
func (c *Client) Limits() Limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.limits
}

// Synced waits until the client has been online once, so that Conversations is
// complete. It returns ErrClosed if Run ends before.
func (c *Client) Synced(ctx context.Context) error { return c.await(ctx, c.ready) }

// self waits until the client knows its user.
func (c *Client) self(ctx context.Context) (UserID, error) {
	err := c.await(ctx, c.known)
	return c.User(), err
}

func (c *Client) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	default:
	}
	select {
	case <-done:
		return nil
	case <-c.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
