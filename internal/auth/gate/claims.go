package gate

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"im/domain"
)

const (
	maxPending    = 10_000 // users whose claims wait to be written; others are noted the next time
	maxKnown      = 50_000 // users whose claims are remembered at least; twice as many at most
	claimsBatch   = 1_000  // written at once
	claimsDelay   = 20 * time.Millisecond
	claimsPause   = time.Second // after a failure
	claimsTimeout = 5 * time.Second
)

// Profiles keeps profiles.
type Profiles interface {
	// Claim takes over claims unless something newer is known of the user.
	Claim(ctx context.Context, claims []domain.ProfileClaims) error
}

// claims remembers what the last tokens of users said, and writes what is new.
type claims struct {
	profiles Profiles
	logger   *slog.Logger
	seed     maphash.Seed
	wake     chan struct{}

	mu      sync.Mutex
	known   map[domain.UserID]said // noted lately
	before  map[domain.UserID]said // noted before these
	pending map[domain.UserID]domain.ProfileClaims
}

// said is what is remembered of claims.
type said struct {
	hash   uint64
	issued time.Time
}

func newClaims(p Profiles, logger *slog.Logger) *claims {
	return &claims{
		profiles: p, logger: logger, seed: maphash.MakeSeed(), wake: make(chan struct{}, 1),
		known: map[domain.UserID]said{}, pending: map[domain.UserID]domain.ProfileClaims{},
	}
}

// note has claims written if they are news. It does not block.
func (c *claims) note(news domain.ProfileClaims) {
	now := said{c.hash(news), news.Issued.Time}
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.known[news.User]
	if !ok {
		last, ok = c.before[news.User]
	}
	older := !now.issued.IsZero() && now.issued.Before(last.issued)
	if ok && (last.hash == now.hash || older) {
		return
	}
	if _, waits := c.pending[news.User]; !waits && len(c.pending) >= maxPending {
		return
	}
	c.pending[news.User] = news
	if len(c.known) >= maxKnown {
		c.before, c.known = c.known, map[domain.UserID]said{}
	}
	c.known[news.User] = now
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *claims) hash(n domain.ProfileClaims) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for _, text := range []*string{n.Name, n.Avatar} {
		if text != nil {
			_, _ = h.WriteString(*text) // never fails
		}
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

func (c *claims) run(ctx context.Context) error {
	for {
		select {
		case <-c.wake:
			if !wait(ctx, claimsDelay) || c.flush(ctx) || wait(ctx, claimsPause) {
				continue
			}
		case <-ctx.Done():
		}
		select {
		case <-ctx.Done():
			c.flush(context.WithoutCancel(ctx))
			return nil
		default:
		}
	}
}

// flush writes what waits. What cannot be written is forgotten, so that it is
// news again when the user comes back.
func (c *claims) flush(ctx context.Context) (ok bool) {
	c.mu.Lock()
	waiting := slices.Collect(maps.Values(c.pending))
	clear(c.pending)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, claimsTimeout)
	defer cancel()
	for batch := range slices.Chunk(waiting, claimsBatch) {
		if err := c.profiles.Claim(ctx, batch); err != nil {
			c.logger.WarnContext(ctx, "profiles not written", "count", len(waiting), "error", err)
			c.forget(waiting)
			return false
		}
	}
	return true
}

func (c *claims) forget(list []domain.ProfileClaims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, lost := range list {
		delete(c.known, lost.User)
		delete(c.before, lost.User)
	}
}

// wait returns false when ctx ends before the pause is over.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
