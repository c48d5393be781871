package devservices

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

func TestRedis(t *testing.T) {
	server, err := OpenRedis()
	require.NoError(t, err)
	defer server.Close()
	options, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()

	t.Run("keys expire", func(t *testing.T) {
		require.NoError(t, client.Set(t.Context(), "long", "1", time.Hour).Err())
		var exists *redis.IntCmd
		_, err := client.TxPipelined(t.Context(), func(tx redis.Pipeliner) error { // no time passes between the two
			tx.Set(t.Context(), "short", "1", 200*time.Millisecond)
			exists = tx.Exists(t.Context(), "short")
			return nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 1, exists.Val())
		eventually.True(t, "the key expires", func() bool { return client.Exists(t.Context(), "short").Val() == 0 })
		require.EqualValues(t, 1, client.Exists(t.Context(), "long").Val())
	})
	t.Run("requires the password", func(t *testing.T) {
		other := redis.NewClient(&redis.Options{Addr: server.server.Addr()})
		defer func() { _ = other.Close() }()
		require.ErrorContains(t, other.Ping(t.Context()).Err(), "NOAUTH")
	})
}
