package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/proxytest"
	"im/test/redistest"
)

// TestOutage: a session registers and ends without waiting for Redis. Within 3 s of
// its return, give or take the rest of a refresh, Redis has the sessions there are.
func TestOutage(t *testing.T) {
	address, proxy := proxytest.Before(t, redistest.URL())
	c := newCluster(t, redistest.Shared(t))
	b := c.add(t, Options{Name: "b", Redis: redistest.Open(t, address), Timeout: DefaultTimeout})
	b.run(t)
	eventually.NoError(t, "the registry is ready", b.Ready)
	before := b.connect(t, "bob", 1)
	number := int64(1)
	for name, begin := range map[string]func(){"connection cut": proxy.Cut, "connection frozen": proxy.Hold} {
		t.Run(name, func(t *testing.T) {
			begin()
			eventually.True(t, "the registry is not ready", func() bool { return b.Ready() != nil })
			begun := time.Now()
			b.note(answered) // so that the call is not saved
			number++
			during := b.connect(t, "bob", number)
			b.remove(before)
			b.note(answered)
			require.NoError(t, b.Unregister(t.Context(), before))
			require.Less(t, time.Since(begun), promptly)
			_, err := b.Online(t.Context(), []domain.UserID{"bob"})
			require.ErrorIs(t, err, domain.ErrUnavailable)

			proxy.Mend()
			healed := time.Now()
			eventually.True(t, "the new session is registered, and the one that ended is not", func() bool {
				entries := c.entries(t, "bob")
				return len(entries) == 1 && entries[during.Session] == b.ID()
			})
			require.Less(t, time.Since(healed), 12*time.Second)
			eventually.NoError(t, "the registry is ready again", b.Ready)
			before = during
		})
	}
}

// TestRedisReplaced: an empty server in the place of the one before is noticed, and
// gets the sessions.
func TestRedisReplaced(t *testing.T) {
	server := redistest.StartServer(t)
	c := newCluster(t, redistest.Open(t, server.URL()))
	a := c.start(t, "a")
	e := a.connect(t, "u", 1)
	before := a.MassChanges()
	server.Kill(t)
	server.Start(t)
	eventually.True(t, "the session is registered again", func() bool {
		value, err := c.client.HGet(t.Context(), c.userKey("u"), string(e.Session)).Result()
		return err == nil && value != ""
	})
	require.Greater(t, a.MassChanges(), before)
}
