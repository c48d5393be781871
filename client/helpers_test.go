package client

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/test/eventually"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// testClient is a running client that records what its callbacks receive.
type testClient struct {
	*Client
	done chan struct{} // closed when Run has returned err
	err  error
	stop context.CancelFunc

	mu       sync.Mutex
	events   map[ConversationID][]Event
	resets   []string
	statuses []Status
	signals  []Signal
}

// start runs a client of a user, with short delays.
func start(t testing.TB, user UserID, o Options, urls ...string) *testClient {
	return startWith(t, user, o, func(*timing) {}, urls...)
}

// startWith is start with other time-outs.
func startWith(t testing.TB, user UserID, o Options, change func(*timing), urls ...string) *testClient {
	c := &testClient{done: make(chan struct{}), events: map[ConversationID][]Event{}}
	o.URLs = urls
	if o.Token == nil {
		o.Token = Token(string(user))
	}
	c.record(&o)
	var err error
	c.Client, err = New(o)
	require.NoError(t, err)
	c.timing.tick = 5 * time.Millisecond
	c.timing.retry = backoff{first: time.Millisecond, most: 10 * time.Millisecond}
	change(&c.timing)
	c.engine.outbox.delay, c.engine.repairs = c.timing.retry, c.timing.retry
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go func() {
		defer close(c.done)
		c.err = c.Run(ctx)
	}()
	t.Cleanup(c.close)
	return c
}

// record puts callbacks in front of those of the options.
func (c *testClient) record(o *Options) {
	onEvent := o.OnEvent
	o.OnEvent = func(ctx context.Context, client *Client, e Event) error {
		c.mu.Lock()
		c.events[e.ConversationID] = append(c.events[e.ConversationID], e)
		c.mu.Unlock()
		if onEvent != nil {
			return onEvent(ctx, client, e)
		}
		return nil
	}
	o.OnReset = func(_ context.Context, _ *Client, epoch string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resets = append(c.resets, epoch)
		clear(c.events)
		return nil
	}
	o.OnStatus = func(_ context.Context, _ *Client, s Status) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.statuses = append(c.statuses, s)
	}
	o.OnSignal = func(_ context.Context, _ *Client, s Signal) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.signals = append(c.signals, s)
	}
}

func (c *testClient) close() {
	c.stop()
	<-c.done
}

// waitOnline waits until the first sync is complete.
func (c *testClient) waitOnline(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventually.Deadline)
	defer cancel()
	require.NoError(t, c.Synced(ctx))
}

// received returns the events that OnEvent received.
func (c *testClient) received(id ConversationID) []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Event(nil), c.events[id]...)
}

// waitFor waits until OnEvent has received exactly the events from first to last.
func (c *testClient) waitFor(t testing.TB, id ConversationID, first, last int64) {
	t.Helper()
	eventually.NoError(t, fmt.Sprintf("events %d to %d", first, last), func() error {
		events := c.received(id)
		for i, e := range events {
			if e.Seq != first+int64(i) {
				return fmt.Errorf("event %d has seq %d instead of %d", i, e.Seq, first+int64(i))
			}
		}
		if int64(len(events)) != last-first+1 {
			return fmt.Errorf("%d events", len(events))
		}
		return nil
	})
}

// waitReset waits until OnReset was called once, with the epoch.
func (c *testClient) waitReset(t testing.TB, epoch string) {
	t.Helper()
	eventually.NoError(t, "one reset", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.resets) != 1 || c.resets[0] != epoch {
			return fmt.Errorf("resets: %v", c.resets)
		}
		return nil
	})
}

func (c *testClient) mustSend(t testing.TB, p Post) Sent {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventually.Deadline)
	defer cancel()
	sent, err := c.Send(ctx, p)
	require.NoError(t, err)
	return sent
}

// texts returns the texts of the posted messages among events.
func texts(events []Event) (out []string) {
	for _, e := range events {
		if m, ok := MessageOf(e); ok {
			out = append(out, TextOf(m.Content))
		}
	}
	return out
}
