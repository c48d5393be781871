package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRedis: what was looked up is broadcast instead, and sessions are
// registered again; no message depends on it.
func TestRedis(t *testing.T) {
	s := newScenario(t, 2, either(22*time.Second, 3*time.Minute))
	lasts := either(4*time.Second, 30*time.Second)
	s.suffer(fault{
		name: "Redis stopped and started, empty", lasts: lasts,
		begin: shared.redis.kill, end: func() { require.NoError(t, shared.redis.start()) },
	})
	cache := s.cache()
	s.suffer(fault{
		name: "Redis flushed, until all sessions are registered again",
		begin: func() {
			require.NoError(t, cache.FlushAll(context.Background()).Err())
			s.awaitRegistered()
		},
	})
	s.suffer(fault{
		name: "Redis slow: 200 ms each way", lasts: lasts,
		begin: s.each(func(n *node) { n.redis.Slow(200 * time.Millisecond) }), end: s.each(func(n *node) { n.redis.Mend() }),
	})
	s.suffer(fault{
		name: "Redis: connections cut", lasts: lasts,
		begin: s.each(func(n *node) { n.redis.Cut() }), end: s.each(func(n *node) { n.redis.Mend() }),
	})
	s.suffer(fault{
		name: "Redis: connections half-open, all packets dropped", lasts: lasts,
		begin: s.each(func(n *node) { n.redis.Lose() }), end: s.each(func(n *node) { n.redis.Mend() }),
	})
	s.judge()
}

// awaitRegistered waits until the sessions of the probes are known again.
func (s *scenario) awaitRegistered() {
	s.t.Helper()
	flushed, cache := time.Now(), s.cache()
	require.Eventually(s.t, func() bool {
		keys, err := cache.Keys(context.Background(), s.prefix+"*:probe-r*").Result()
		return err == nil && len(keys) >= len(s.nodes)
	}, patience, 20*time.Millisecond)
	require.Less(s.t, time.Since(flushed), slack*3*time.Second)
	s.t.Logf("sessions were registered again %s after the flush", seconds(time.Since(flushed)))
}
