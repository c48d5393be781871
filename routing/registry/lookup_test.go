package registry

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/redistest"
)

func TestNodesOfRemembersAnswers(t *testing.T) {
	c := newCluster(t, redistest.Shared(t))
	a, b := c.start(t, "a"), c.start(t, "b")
	b.connect(t, "bob", 1)
	before, begun := a.lookedUpSoFar(), time.Now()
	users := setOf("bob", "absent")
	for range 20 {
		nodes, err := a.NodesOf(t.Context(), users)
		require.NoError(t, err)
		require.Equal(t, map[domain.UserID][]domain.NodeID{"bob": {b.ID()}}, nodes)
	}
	rounds := uint64(time.Since(begun)/recentAge) + 1
	require.LessOrEqual(t, a.lookedUpSoFar()-before, 2*rounds, "absence is remembered too")
	eventually.True(t, "the answers are forgotten", func() bool {
		_, err := a.NodesOf(t.Context(), users)
		return err == nil && a.lookedUpSoFar()-before > 2*rounds
	})
}

func TestRecentLookups(t *testing.T) {
	l, now := newRecentLookups(), time.Now()
	find := func(user domain.UserID, at time.Time) (nodes []domain.NodeID, known bool) {
		found := map[domain.UserID][]domain.NodeID{}
		unknown := l.find(setOf(user), found, at)
		return found[user], len(unknown) == 0
	}
	l.add([]domain.UserID{"bob", "absent"}, map[domain.UserID][]domain.NodeID{"bob": {"n"}}, now)
	nodes, known := find("bob", now.Add(recentAge))
	require.True(t, known)
	require.Equal(t, []domain.NodeID{"n"}, nodes)
	nodes, known = find("absent", now)
	require.True(t, known)
	require.Empty(t, nodes)
	_, known = find("bob", now.Add(recentAge+1))
	require.False(t, known)
	_, known = find("carol", now)
	require.False(t, known)

	for i := range 2 * recentUsers {
		l.add([]domain.UserID{domain.UserID(fmt.Sprint("u", i))}, nil, now)
	}
	require.Equal(t, recentUsers, l.users.Len(), "the memory is bounded")
}

// TestRestAfterAFailedCall: Redis is not called for a while, so that callers do not
// wait for it one after another.
func TestRestAfterAFailedCall(t *testing.T) {
	c := newCluster(t, redistest.Shared(t))
	a := c.start(t, "a")
	eventually.True(t, "lookups fail without a call", func() bool {
		a.note(callFailed) // a refresh may end the rest immediately
		before := a.lookedUpSoFar()
		_, err := a.NodesOf(t.Context(), setOf("carol"))
		return errors.Is(err, errResting) && a.lookedUpSoFar() == before
	})
	eventually.True(t, "lookups work again", func() bool {
		_, err := a.NodesOf(t.Context(), setOf("carol"))
		return err == nil
	})
}

// lookedUpSoFar returns how many users were read from Redis for deliveries.
func (r *Registry) lookedUpSoFar() uint64 { return uint64(testutil.ToFloat64(r.count.lookedUp)) }
