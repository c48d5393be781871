package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// TestRedis: without Redis, nodes broadcast events instead of looking up the nodes of the
// recipients. Sessions are registered again afterwards. No message is lost.
func TestRedis(t *testing.T) {
	s := newScenario(t, 2, shortOrLong(22*time.Second, 3*time.Minute))
	duration := shortOrLong(4*time.Second, 30*time.Second)
	s.inject(fault{
		name: "Redis stopped and started, empty", duration: duration,
		begin: shared.redis.kill, end: func() { require.NoError(t, shared.redis.start()) },
	})
	cache := s.redisClient()
	s.inject(fault{
		name: "Redis flushed, until all sessions are registered again",
		begin: func() {
			require.NoError(t, cache.FlushAll(context.Background()).Err())
			s.waitRegistered()
		},
	})
	s.inject(fault{
		name: "Redis slow: 200 ms each way", duration: duration,
		begin: s.each(func(n *node) { n.redis.Slow(200 * time.Millisecond) }), end: s.each(func(n *node) { n.redis.Mend() }),
	})
	s.inject(fault{
		name: "Redis: connections cut", duration: duration,
		begin: s.each(func(n *node) { n.redis.Cut() }), end: s.each(func(n *node) { n.redis.Mend() }),
	})
	s.inject(fault{
		name: "Redis: connections half-open, all packets dropped", duration: duration,
		begin: s.each(func(n *node) { n.redis.Lose() }), end: s.each(func(n *node) { n.redis.Mend() }),
	})
	s.requireNoBreach()
}

// waitRegistered waits until the sessions of the probes are registered again.
func (s *scenario) waitRegistered() {
	s.t.Helper()
	flushed, cache := time.Now(), s.redisClient()
	eventually.True(s.t, "the sessions are registered again", func() bool {
		keys, err := cache.Keys(context.Background(), s.prefix+"*:probe-r*").Result()
		return err == nil && len(keys) >= len(s.nodes)
	})
	require.Less(s.t, time.Since(flushed), slack*3*time.Second)
	s.t.Logf("sessions were registered again %s after the flush", seconds(time.Since(flushed)))
}
