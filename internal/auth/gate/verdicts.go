package gate

import (
	"context"
	"sync"
	"time"

	"im/domain"
)

const (
	verdictAge  = time.Second // how old an answer may be that a call is judged by
	maxVerdicts = 50_000      // users remembered at least; twice as many at most
)

// Revocations knows which tokens are good no more.
type Revocations interface {
	// RevokedBefore returns since when tokens of the user are good; zero: always.
	RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error)
}

// verdicts remembers for a moment what is revoked of users' tokens.
type verdicts struct {
	revocations Revocations

	mu     sync.Mutex
	now    map[domain.UserID]verdict
	before map[domain.UserID]verdict // asked for before these
}

type verdict struct {
	before time.Time // tokens issued earlier are revoked
	asked  time.Time
}

func newVerdicts(r Revocations) *verdicts {
	return &verdicts{revocations: r, now: map[domain.UserID]verdict{}}
}

// judge refuses a revoked token, by what was true a moment ago.
func (v *verdicts) judge(ctx context.Context, id domain.Identity) error {
	known, ok := v.recall(id.User)
	if asked := time.Now(); !ok || asked.Sub(known.asked) > verdictAge {
		before, err := v.revocations.RevokedBefore(ctx, id.User)
		if err != nil {
			return err
		}
		known = verdict{before, asked}
		v.remember(id.User, known)
	}
	return id.CheckRevoked(known.before)
}

func (v *verdicts) recall(user domain.UserID) (verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.now[user]
	if !ok {
		known, ok = v.before[user]
	}
	return known, ok
}

func (v *verdicts) remember(user domain.UserID, known verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.now) >= maxVerdicts {
		v.before, v.now = v.now, make(map[domain.UserID]verdict)
	}
	v.now[user] = known
}
