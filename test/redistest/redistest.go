// Package redistest gives tests a Redis: the shared one of IM_TEST_REDIS_URL, one in this
// process, or a server of the test's own.
package redistest

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// URL returns the address of the shared Redis.
func URL() string { return cmp.Or(os.Getenv("IM_TEST_REDIS_URL"), "redis://127.0.0.1:6379/0") }

// Discard drops the log of the Redis client, which has a line for each failed dial. It
// is for TestMain.
func Discard() { redis.SetLogger(discard{}) }

type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}

// NewPrefix returns a prefix for keys that no other test uses.
func NewPrefix() string { return "imtest-" + strings.ToLower(rand.Text()[:10]) }

// Open returns a client that keeps the deadlines of its contexts and has none of its
// own: a call that ends early was ended by its caller.
func Open(t testing.TB, address string) redis.UniversalClient {
	t.Helper()
	o, err := redis.ParseURL(address)
	require.NoError(t, err)
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, 1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = eventually.Deadline, eventually.Deadline, eventually.Deadline, eventually.Deadline
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Shared returns a client of the shared Redis.
func Shared(t testing.TB) redis.UniversalClient {
	t.Helper()
	client := Open(t, URL())
	require.NoError(t, client.Ping(t.Context()).Err(), "this test needs Redis at IM_TEST_REDIS_URL")
	return client
}

// Embedded returns a client of a Redis in this process, as im dev uses it. Its clock
// has to be moved on for keys to expire.
func Embedded(t testing.TB) redis.UniversalClient {
	t.Helper()
	const tick = 50 * time.Millisecond
	server := miniredis.NewMiniRedis()
	require.NoError(t, server.Start())
	ticker := time.NewTicker(tick)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticker.C:
				server.FastForward(tick)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		ticker.Stop()
		close(stop)
		<-stopped
		server.Close()
	})
	return Open(t, "redis://"+server.Addr())
}

// DeleteAll deletes the keys of a prefix when the test has ended.
func DeleteAll(t testing.TB, client redis.UniversalClient, prefix string) {
	t.Cleanup(func() {
		ctx := context.Background()
		keys, _ := client.Keys(ctx, prefix+":*").Result()
		if len(keys) > 0 {
			_ = client.Del(ctx, keys...).Err()
		}
	})
}
