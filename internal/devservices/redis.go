package devservices

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisTick is how often time passes in the Redis.
const redisTick = 50 * time.Millisecond

// Redis is a Redis in memory, on a port of its own of the loopback interface,
// with a password that only this process knows.
type Redis struct {
	server   *miniredis.Miniredis
	password string
	stop     chan struct{}
	ticking  sync.WaitGroup
}

// OpenRedis starts one. The caller must Close it.
func OpenRedis() (*Redis, error) {
	r := &Redis{server: miniredis.NewMiniRedis(), password: rand.Text(), stop: make(chan struct{})}
	r.server.RequireAuth(r.password)
	if err := r.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, err
	}
	r.ticking.Go(r.tick)
	return r, nil
}

// URL is where to connect.
func (r *Redis) URL() string { return "redis://:" + r.password + "@" + r.server.Addr() }

// Close stops the Redis, and everything that it held is gone.
func (r *Redis) Close() {
	close(r.stop)
	r.ticking.Wait()
	r.server.Close()
}

// tick lets keys expire: the time of a miniredis stands still by itself.
func (r *Redis) tick() {
	ticker := time.NewTicker(redisTick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-r.stop:
			return
		case now := <-ticker.C:
			r.server.FastForward(now.Sub(last))
			last = now
		}
	}
}
