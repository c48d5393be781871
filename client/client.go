package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Everything as Options.History begins each conversation at its first event.
const Everything = -1

// ErrClosed answers what was asked of a client whose Run has ended.
var ErrClosed = errors.New("the client is closed")

// Options configure a Client. Callbacks run one at a time; while one runs, the
// connection goes on by itself. They may call the client.
type Options struct {
	// URLs of nodes, as in http://127.0.0.1:8080, tried in turn.
	URLs []string
	// Token is asked for a token at each connection, and before one expires.
	Token func(context.Context) (string, error)
	// Device names the Store to the server: one store, one device. Empty means a
	// random one. A second client of the same device ends the first.
	Device string
	// Store keeps positions; nil keeps them in memory.
	Store Store
	// History is how many of the newest events of each conversation a device
	// that is new begins with: 0 for only what comes from now on, or Everything.
	History int
	// Background sessions do not make their user online.
	Background bool

	// OnEvent gets each event, once and in order of its conversation. Events are
	// acknowledged after it returned nil; an error ends Run with that error.
	OnEvent func(context.Context, Event) error
	// OnReset says that the log came back in an earlier state: what was stored of
	// it is void, and comes again as on a new device.
	OnReset func(ctx context.Context, epoch string) error
	// OnStatus says how the connection stands; states in quick succession may be
	// left out, the last one never is.
	OnStatus func(Status)
	// OnChange says that Conversations would answer something new.
	OnChange func()

	Logger *slog.Logger // nil is silent
}

// Token is a source for Options.Token that knows one token only.
func Token(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// Client is one device of one user. Its methods may be called by any goroutine,
// also before Run and while there is no connection.
type Client struct {
	opts   Options
	http   *http.Client
	tokens *tokens
	timing timing
	wake   chan struct{} // the callbacks have something to do
	slots  chan struct{} // bounds the calls that wait for an answer
	ready  chan struct{} // closed at the first complete sync

	mu     sync.Mutex
	engine *engine
	ended  bool
	once   bool // ready is closed
}

type timing struct {
	dial, most time.Duration // for the handshake of a new connection: at first, and at most
	welcome    time.Duration // from hello to welcome
	renewal    time.Duration // from one try to renew the token to the next
	pong, tick time.Duration
	settled    time.Duration // a connection that lasted so long begins the delays anew
	retry      backoff
}

// patience is how long a handshake may take after n connections in a row that did not
// come to welcome. A node that is stopped takes connections and never answers: the
// next one is tried soon. Where all are slow, because thousands come at once, each
// round over them waits longer. A hello, though, is waited for as long as a node may
// take to answer it: one that is given up may still be let in, and then replaces the
// session that the device has begun elsewhere.
func (t *timing) patience(n, nodes int) time.Duration {
	within := t.dial
	for range n / nodes {
		if within *= 2; within >= t.most {
			return t.most
		}
	}
	return within
}

const maxWaiting = 1024

// New returns a client that does nothing before Run.
func New(o Options) (*Client, error) {
	if len(o.URLs) == 0 || o.Token == nil {
		return nil, errors.New("client: URLs and Token are required")
	}
	if o.History < Everything {
		return nil, errors.New("client: History is a number of events, or Everything")
	}
	urls := make([]string, len(o.URLs))
	for i, raw := range o.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("client: %q is no http or https URL", raw)
		}
		urls[i] = strings.TrimSuffix(raw, "/")
	}
	o.URLs = urls
	if o.Device == "" {
		o.Device = "go-" + rand.Text()
	}
	if o.Store == nil {
		o.Store = &memoryStore{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	retry := backoff{first: 500 * time.Millisecond, most: 20 * time.Second}
	return &Client{
		opts: o, http: &http.Client{Timeout: 30 * time.Second}, tokens: &tokens{source: o.Token},
		timing: timing{
			dial: 4 * time.Second, most: 16 * time.Second, welcome: 22 * time.Second, renewal: 10 * time.Second, pong: 10 * time.Second, tick: 100 * time.Millisecond,
			settled: 10 * time.Second, retry: retry,
		},
		wake: make(chan struct{}, 1), slots: make(chan struct{}, maxWaiting), ready: make(chan struct{}),
		engine: newEngine(o.History, o.Logger, retry),
	}, nil
}

// Run keeps the client connected until ctx ends, and then returns nil. It
// returns an error when the server will not have the client any more (*Closed),
// when a callback fails, or the store. It can be run once.
func (c *Client) Run(ctx context.Context) error {
	kept, err := c.opts.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("client: the store: %w", err)
	}
	c.locked(func(e *engine) { e.restore(kept) })
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return c.callbacks(running) })
	group.Go(func() error { return c.stayConnected(running) })
	err = group.Wait()
	c.http.CloseIdleConnections()
	c.locked(func(e *engine) {
		c.ended = true
		e.outbox.fail(ErrClosed)
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// stayConnected connects again and again until it must not.
func (c *Client) stayConnected(ctx context.Context) error {
	retry := c.timing.retry
	expired, tries := "", 0
	for i := 0; ; i++ {
		lived, token, err := c.connect(ctx, c.opts.URLs[i%len(c.opts.URLs)], c.timing.patience(tries, len(c.opts.URLs)))
		if tries++; lived > 0 {
			tries = 0
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch judge(err) {
		case stop:
			return err
		case renewToken:
			if expired == token {
				return fmt.Errorf("client: no newer token: %w", err)
			}
			expired = token
		}
		c.opts.Logger.Info("disconnected", "error", err)
		c.say(Status{State: Offline, Err: err})
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

// locked runs f with the engine, and wakes the callbacks if it left them work.
func (c *Client) locked(f func(*engine)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.engine)
	if c.engine.online && !c.once {
		c.once = true
		close(c.ready)
	}
	b := &c.engine.inbox
	if len(b.items) > 0 || b.save || b.changed || b.status != nil {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *Client) say(s Status) { c.locked(func(e *engine) { e.inbox.status = &s }) }
func (c *Client) lost()        { c.locked((*engine).lost) }
func (c *Client) tick()        { c.locked((*engine).tick) }
func (c *Client) acknowledge() { c.locked((*engine).acknowledge) }

func (c *Client) welcomed(w *welcomeFrame, out func([]byte)) {
	c.locked(func(e *engine) {
		if e.out == nil {
			e.inbox.status = &Status{State: Syncing}
		}
		e.welcomed(w, out)
	})
}

func (c *Client) receive(data []byte) (err error) {
	c.locked(func(e *engine) { err = e.receive(data) })
	return err
}

// Conversations returns the user's conversations as far as the client knows,
// newest activity first.
func (c *Client) Conversations() []Conversation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.mirror.list()
}

// Conversation returns one of them; ok is false if the user is not in it.
func (c *Client) Conversation(id ConversationID) (v Conversation, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.engine.mirror.views[id]
	if known == nil {
		return v, false
	}
	return *known, true
}

// User is whom the token names; "" before the first connection.
func (c *Client) User() UserID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.mirror.self
}

// Synced waits until the client has been online once, so that Conversations is
// complete.
func (c *Client) Synced(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
