package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestLiveness(t *testing.T) {
	l := newLiveness()
	now := time.Now()
	require.False(t, l.isDead("new"), "an unknown node counts as living")
	require.ElementsMatch(t, []domain.NodeID{"own", "known", "new"}, l.candidates([]string{"known", "own"}, "own"))
	forgotten, died := l.update(map[domain.NodeID]bool{"own": true, "known": true, "new": false}, now)
	require.Empty(t, forgotten)
	require.True(t, died)
	require.True(t, l.isDead("new"))
	require.False(t, l.isDead("known"))
	forgotten, died = l.update(map[domain.NodeID]bool{"own": true, "known": true, "new": false}, now.Add(deadMemory-1))
	require.Empty(t, forgotten)
	require.False(t, died)
	forgotten, died = l.update(map[domain.NodeID]bool{"own": true}, now.Add(deadMemory))
	require.Equal(t, []any{"new"}, forgotten)
	require.False(t, died)
	require.False(t, l.isDead("new"))
}
