package realtime

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"im/domain"
)

const (
	scopeTTL  = 5 * time.Second // how old a known scope may be
	maxScopes = 10_000          // conversations whose scope is remembered
)

// scopes caches signal scopes. (The library's expirable LRU would do the same,
// but it starts a goroutine that never ends.)
type scopes struct {
	cache *lru.Cache[domain.ConversationID, knownScope]
}

type knownScope struct {
	domain.SignalScope
	at time.Time
}

func newScopes() *scopes {
	cache, err := lru.New[domain.ConversationID, knownScope](maxScopes)
	if err != nil {
		panic(err) // the size is positive
	}
	return &scopes{cache}
}

func (s *scopes) get(id domain.ConversationID) (domain.SignalScope, bool) {
	known, ok := s.cache.Get(id)
	return known.SignalScope, ok && time.Since(known.at) < scopeTTL
}

func (s *scopes) put(id domain.ConversationID, scope domain.SignalScope) {
	s.cache.Add(id, knownScope{scope, time.Now()})
}
