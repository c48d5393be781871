package verify

import (
	"sync"
	"time"
)

// clock knows how far the server's clock is ahead, from the quickest ping.
type clock struct {
	mu    sync.Mutex
	best  time.Duration // round trip of the quickest; 0 for none yet
	ahead time.Duration
}

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

// local is a time of the server's on this clock.
func (c *clock) local(server time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return server.Add(-c.ahead)
}
