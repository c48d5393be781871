package verify

import (
	"sync"
	"time"
)

// clock estimates the offset of the server's clock from the fastest ping.
type clock struct {
	mu    sync.Mutex
	best  time.Duration // round trip of the fastest ping; 0 before the first
	ahead time.Duration // of the server's clock
}

// compare takes one ping: its local start and end, and the server's time in the answer.
func (c *clock) compare(began, server, ended time.Time) {
	trip := max(ended.Sub(began), 1)
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.best == 0 || trip < c.best {
		c.best, c.ahead = trip, server.Sub(began.Add(trip/2))
	}
}

// local converts a time of the server to the local clock.
func (c *clock) local(server time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return server.Add(-c.ahead)
}
