package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/redistest"
)

func isOnline(t *testing.T, n *node, user domain.UserID) bool {
	t.Helper()
	online, err := n.Online(t.Context(), []domain.UserID{user, "absent"})
	require.NoError(t, err)
	require.False(t, online["absent"])
	return online[user]
}

func devicesOnline(t *testing.T, n *node, user domain.UserID) int {
	t.Helper()
	online, err := n.DevicesOnline(t.Context(), []domain.UserID{user, "absent"})
	require.NoError(t, err)
	require.Zero(t, online["absent"])
	return online[user]
}

func TestOnline(t *testing.T) {
	c := newCluster(t, redistest.Shared(t))
	a, b := c.start(t, "a"), c.start(t, "b")
	t.Run("with a session on any node that is not in the background", func(t *testing.T) {
		phone, laptop := b.connect(t, "bob", 1), b.connect(t, "bob", 2)
		require.True(t, isOnline(t, a, "bob"))
		require.Equal(t, 2, devicesOnline(t, a, "bob"))
		phone.Background, laptop.Background = true, true
		b.Reregister(t.Context(), phone)
		require.True(t, isOnline(t, a, "bob"))
		require.Equal(t, 1, devicesOnline(t, a, "bob"))
		b.Reregister(t.Context(), laptop)
		require.False(t, isOnline(t, a, "bob"))
		laptop.Background = false
		b.Reregister(t.Context(), laptop)
		require.True(t, isOnline(t, a, "bob"))
		require.NoError(t, b.Unregister(t.Context(), laptop))
		require.False(t, isOnline(t, a, "bob"))
	})
	t.Run("not with a session on a dead node", func(t *testing.T) {
		before := a.MassChanges()
		require.NoError(t, c.client.SAdd(t.Context(), c.prefix+":nodes", "c-dead").Err())
		c.putEntry(t, "carol", "s", "c-dead d 1 eepoch-1 0")
		eventually.True(t, "the death is noticed", func() bool { return a.MassChanges() > before })
		require.False(t, isOnline(t, a, "carol"))
		require.Zero(t, devicesOnline(t, a, "carol"))
	})
	t.Run("unknown after Redis lost data, and known again", func(t *testing.T) {
		b.connect(t, "dave", 3)
		before := a.MassChanges()
		require.NoError(t, c.client.Del(t.Context(), // in one step, like a Redis that loses its data
			c.leaseKey(a), c.leaseKey(b), c.userKey("dave")).Err())
		eventually.True(t, "the loss is noticed", func() bool { return a.MassChanges() > before })
		_, err := a.Online(t.Context(), []domain.UserID{"dave"})
		require.ErrorIs(t, err, domain.ErrUnavailable)
		eventually.True(t, "presence is known again", func() bool {
			online, err := a.Online(t.Context(), []domain.UserID{"dave"})
			require.False(t, err == nil && !online["dave"], "never offline")
			return online["dave"]
		})
	})
}

func TestOnlineWithoutRedis(t *testing.T) {
	c := &cluster{client: redistest.Open(t, "redis://127.0.0.1:1"), prefix: redistest.NewPrefix()}
	n := c.add(t, Options{})
	n.run(t)
	begun := time.Now()
	_, err := n.Online(t.Context(), []domain.UserID{"bob"})
	require.ErrorIs(t, err, domain.ErrUnavailable)
	require.Less(t, time.Since(begun), promptly)
}
