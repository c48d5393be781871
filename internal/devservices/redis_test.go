package devservices

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestRedis(t *testing.T) {
	server, err := OpenRedis()
	require.NoError(t, err)
	defer server.Close()
	options, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()

	t.Run("time passes", func(t *testing.T) {
		require.NoError(t, client.Set(t.Context(), "long", "1", time.Hour).Err())
		var there *redis.IntCmd
		_, err := client.TxPipelined(t.Context(), func(tx redis.Pipeliner) error { // between the two no time passes
			tx.Set(t.Context(), "short", "1", 200*time.Millisecond)
			there = tx.Exists(t.Context(), "short")
			return nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 1, there.Val())
		require.Eventually(t, func() bool { return client.Exists(t.Context(), "short").Val() == 0 }, time.Minute, 10*time.Millisecond)
		require.EqualValues(t, 1, client.Exists(t.Context(), "long").Val())
	})
	t.Run("strangers are kept out", func(t *testing.T) {
		stranger := redis.NewClient(&redis.Options{Addr: server.server.Addr()})
		defer func() { _ = stranger.Close() }()
		require.ErrorContains(t, stranger.Ping(t.Context()).Err(), "NOAUTH")
	})
}
