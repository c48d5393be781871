package appendlog

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"im/domain"
)

// cache keeps the states of the conversations that were used last, bounded in bytes.
// The library counts entries, so the cache adds up their bytes itself. It belongs to
// one committer and is not safe for concurrent use.
type cache struct {
	limit, size int
	states      *simplelru.LRU[domain.ConversationID, cached]
}

type cached struct {
	state *domain.Conversation
	size  int
}

func newCache(limit int) *cache {
	c := &cache{limit: limit}
	c.states, _ = simplelru.NewLRU(math.MaxInt, func(_ domain.ConversationID, old cached) { c.size -= old.size }) // a positive size is no error
	return c
}

// get returns the state, or nil.
func (c *cache) get(id domain.ConversationID) *domain.Conversation {
	found, _ := c.states.Get(id)
	return found.state
}

// put keeps a state, which may have grown, and evicts those that were used the longest
// ago. A state that is larger than the cache is not kept.
func (c *cache) put(state *domain.Conversation) {
	c.drop(state.ID)
	size := state.Size()
	if size > c.limit {
		return
	}
	c.states.Add(state.ID, cached{state, size})
	for c.size += size; c.size > c.limit; {
		c.states.RemoveOldest()
	}
}

func (c *cache) drop(id domain.ConversationID) { c.states.Remove(id) }

func (c *cache) clear() { c.states.Purge() }
