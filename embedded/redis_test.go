package embedded

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
		require.NoError(t, client.Set(t.Context(), "short", "1", 200*time.Millisecond).Err())
		require.NoError(t, client.Set(t.Context(), "long", "1", time.Hour).Err())
		require.EqualValues(t, 1, client.Exists(t.Context(), "short").Val())
		require.Eventually(t, func() bool { return client.Exists(t.Context(), "short").Val() == 0 }, 5*time.Second, 10*time.Millisecond)
		require.EqualValues(t, 1, client.Exists(t.Context(), "long").Val())
	})
	t.Run("strangers are kept out", func(t *testing.T) {
		stranger := redis.NewClient(&redis.Options{Addr: server.server.Addr()})
		defer func() { _ = stranger.Close() }()
		require.ErrorContains(t, stranger.Ping(t.Context()).Err(), "NOAUTH")
	})
}
