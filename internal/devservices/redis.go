package devservices

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisTick is how often keys expire.
const redisTick = 50 * time.Millisecond

// Redis is a Redis in memory. It listens on a free port of the loopback interface and
// has a random password.
type Redis struct {
	server   *miniredis.Miniredis
	password string
	stop     chan struct{}
	ticking  sync.WaitGroup
}

// OpenRedis starts a Redis. The caller must Close it.
func OpenRedis() (*Redis, error) {
	r := &Redis{server: miniredis.NewMiniRedis(), password: rand.Text(), stop: make(chan struct{})}
	r.server.RequireAuth(r.password)
	if err := r.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, err
	}
	r.ticking.Go(r.tick)
	return r, nil
}

// URL returns the connection URL, with the password.
func (r *Redis) URL() string { return "redis://:" + r.password + "@" + r.server.Addr() }

// Close stops the Redis. Its data is lost.
func (r *Redis) Close() {
	close(r.stop)
	r.ticking.Wait()
	r.server.Close()
}

// tick advances the clock of the miniredis, which does not advance by itself, so that
// keys expire.
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
