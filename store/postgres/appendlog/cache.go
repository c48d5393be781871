package appendlog

import (
	"container/list"

	"im/domain"
)

// cache keeps the states of the conversations that were used last, bounded in
// bytes. It belongs to one committer and is not safe for concurrent use.
type cache struct {
	limit, size int
	byID        map[domain.ConversationID]*list.Element
	used        *list.List // of *cached, the latest in front
}

type cached struct {
	state *domain.Conversation
	size  int
}

func newCache(limit int) *cache {
	return &cache{limit: limit, byID: map[domain.ConversationID]*list.Element{}, used: list.New()}
}

// get returns the state, or nil.
func (c *cache) get(id domain.ConversationID) *domain.Conversation {
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*cached).state
}

// put keeps a state, measured anew, and lets go of those that were used the
// longest ago. A state that is larger than the cache is not kept.
func (c *cache) put(state *domain.Conversation) {
	c.drop(state.ID)
	entry := &cached{state, state.Size()}
	if entry.size > c.limit {
		return
	}
	c.byID[state.ID] = c.used.PushFront(entry)
	c.size += entry.size
	for c.size > c.limit {
		c.drop(c.used.Back().Value.(*cached).state.ID)
	}
}

func (c *cache) drop(id domain.ConversationID) {
	if e := c.byID[id]; e != nil {
		c.size -= c.used.Remove(e).(*cached).size
		delete(c.byID, id)
	}
}

func (c *cache) clear() {
	clear(c.byID)
	c.used.Init()
	c.size = 0
}
