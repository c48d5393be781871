package appendlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	state := func(i byte, members int) *domain.Conversation {
		m := map[domain.UserID]domain.MemberState{}
		for k := range members {
			m[domain.UserID(rune('a'+k))] = domain.MemberState{}
		}
		return domain.NewConversationState(domain.ConversationID{i}, domain.Group, nil, nil, domain.Settings{}, nil, 1, 1, m)
	}
	size := state(0, 4).Size()
	c := newCache(3 * size)
	for i := range byte(3) {
		c.put(state(i, 4))
	}
	require.NotNil(t, c.get(domain.ConversationID{0}))
	c.put(state(3, 4))
	require.Nil(t, c.get(domain.ConversationID{1}), "the one used the longest ago went")
	require.NotNil(t, c.get(domain.ConversationID{0}))
	require.LessOrEqual(t, c.size, c.limit)
	c.put(state(4, 20))
	require.LessOrEqual(t, c.size, c.limit)
	c.put(state(5, 200))
	require.Nil(t, c.get(domain.ConversationID{5}), "too large to keep")
	c.clear()
	require.Zero(t, c.size)
	require.Nil(t, c.get(domain.ConversationID{0}))
}
