package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestOnline(t *testing.T) {
	prefix, client := newPrefix(), realRedis(t)
	forget(t, client, prefix)
	begin := func(name string) *member {
		m := startNode(t, Options{Name: name, Prefix: prefix, Redis: client, Broker: NewInProcess(testLogger(t)), RedisTimeout: calm})
		m.awaitReady(t)
		return m
	}
	a, b := begin("a"), begin("b")
	is := func(user domain.UserID) bool {
		online, err := a.Online(t.Context(), []domain.UserID{user, "nobody"})
		require.NoError(t, err)
		require.False(t, online["nobody"])
		return online[user]
	}
	t.Run("while a session that is not in the background exists anywhere", func(t *testing.T) {
		phone, desk := b.connect(t, "bob", 1), b.connect(t, "bob", 2)
		require.True(t, is("bob"))
		phone.Background, desk.Background = true, true
		b.Reregister(t.Context(), phone)
		require.True(t, is("bob"))
		b.Reregister(t.Context(), desk)
		require.False(t, is("bob"))
		desk.Background = false
		b.Reregister(t.Context(), desk)
		require.True(t, is("bob"))
		require.NoError(t, b.Unregister(t.Context(), desk))
		require.False(t, is("bob"))
	})
	t.Run("not on a node that is dead", func(t *testing.T) {
		before := a.Upheavals()
		require.NoError(t, client.SAdd(t.Context(), prefix+":nodes", "c-dead").Err())
		require.NoError(t, client.HSet(t.Context(), prefix+":user:carol", "s", "c-dead d 1 eepoch-1 0").Err())
		eventually(t, "noticed", func() bool { return a.Upheavals() > before })
		require.False(t, is("carol"))
	})
	t.Run("unknown while Redis has forgotten, and known again", func(t *testing.T) {
		b.connect(t, "dave", 3)
		before := a.Upheavals()
		require.NoError(t, client.Del(t.Context(), // at once, as a Redis does that forgets
			a.registry.leaseKey(a.ID()), b.registry.leaseKey(b.ID()), a.registry.userKey("dave")).Err())
		eventually(t, "noticed", func() bool { return a.Upheavals() > before })
		_, err := a.Online(t.Context(), []domain.UserID{"dave"})
		require.ErrorIs(t, err, domain.ErrUnavailable)
		eventually(t, "known", func() bool {
			online, err := a.Online(t.Context(), []domain.UserID{"dave"})
			require.False(t, err == nil && !online["dave"], "never offline")
			return online["dave"]
		})
	})
}

func TestOnline_without_Redis(t *testing.T) {
	m := startNode(t, Options{Redis: openRedis(t, "redis://127.0.0.1:1"), Broker: NewInProcess(testLogger(t))})
	begun := time.Now()
	_, err := m.Online(t.Context(), []domain.UserID{"bob"})
	require.ErrorIs(t, err, domain.ErrUnavailable)
	require.Less(t, time.Since(begun), patience)
}
