package client

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = time.Minute

// peer is a running client that remembers what it was handed.
type peer struct {
	*Client
	done chan struct{}
	err  error
	stop context.CancelFunc

	mu       sync.Mutex
	events   map[ConversationID][]Event
	resets   []string
	statuses []Status
}

// start runs a client of a user, quick to reconnect.
func start(t testing.TB, user UserID, o Options, urls ...string) *peer {
	p := &peer{done: make(chan struct{}), events: map[ConversationID][]Event{}}
	o.URLs = urls
	if o.Token == nil {
		o.Token = Token(string(user))
	}
	handle := o.OnEvent
	o.OnEvent = func(ctx context.Context, e Event) error {
		p.mu.Lock()
		p.events[e.ConversationID] = append(p.events[e.ConversationID], e)
		p.mu.Unlock()
		if handle != nil {
			return handle(ctx, e)
		}
		return nil
	}
	o.OnReset = func(_ context.Context, epoch string) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.resets = append(p.resets, epoch)
		clear(p.events)
		return nil
	}
	o.OnStatus = func(s Status) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.statuses = append(p.statuses, s)
	}
	var err error
	p.Client, err = New(o)
	require.NoError(t, err)
	p.timing.tick, p.timing.renewal = 5*time.Millisecond, 10*time.Millisecond
	p.timing.retry = backoff{first: time.Millisecond, most: 10 * time.Millisecond}
	p.engine.outbox.delay = p.timing.retry
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		defer close(p.done)
		p.err = p.Run(ctx)
	}()
	t.Cleanup(p.close)
	return p
}

func (p *peer) close() {
	p.stop()
	<-p.done
}

func (p *peer) online(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, p.Synced(ctx))
}

func (p *peer) got(id ConversationID) []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Event(nil), p.events[id]...)
}

// has waits until the client was handed exactly the events from..to.
func (p *peer) has(t testing.TB, id ConversationID, from, to int64) {
	t.Helper()
	eventually(t, func() error {
		events := p.got(id)
		if err := ascending(events, from); err != nil {
			return err
		}
		if int64(len(events)) != to-from+1 {
			return fmt.Errorf("%d events instead of %d–%d", len(events), from, to)
		}
		return nil
	})
}

// ascending tells whether events are from, from+1, from+2 …
func ascending(events []Event, from int64) error {
	for i, e := range events {
		if e.Seq != from+int64(i) {
			return fmt.Errorf("event %d has seq %d instead of %d", i, e.Seq, from+int64(i))
		}
	}
	return nil
}

func eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (p *peer) send(t testing.TB, post Post) Sent {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sent, err := p.Send(ctx, post)
	require.NoError(t, err)
	return sent
}

func texts(events []Event) (out []string) {
	for _, e := range events {
		if m, ok := MessageOf(e); ok {
			out = append(out, TextOf(m.Content))
		}
	}
	return out
}

func hasReset(p *peer, epoch string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.resets) != 1 || p.resets[0] != epoch {
		return fmt.Errorf("resets: %v", p.resets)
	}
	return nil
}
