package auth

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"im/domain"
)

const (
	standingAge  = time.Second // after which a user's standing is read again
	maxStandings = 50_000      // users whose standing is cached
)

// Standings knows which tokens are revoked, and which users are banned.
type Standings interface {
	// StandingOf returns the revocation and the ban of a user.
	StandingOf(ctx context.Context, user domain.UserID) (domain.Standing, error)
}

// StandingChecker is a Verifier that also refuses revoked tokens and banned users. It may
// be used concurrently.
//
// Its cache is bounded by maxStandings. It has no expiring entries, because
// the library's expirable cache runs a goroutine that cannot be stopped.
type StandingChecker struct {
	verifier  *Verifier
	standings Standings
	cache     *lru.Cache[domain.UserID, standing]
}

type standing struct {
	domain.Standing
	read time.Time
}

// NewStandingChecker returns a StandingChecker.
func NewStandingChecker(v *Verifier, s Standings) *StandingChecker {
	cache, err := lru.New[domain.UserID, standing](maxStandings)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &StandingChecker{verifier: v, standings: s, cache: cache}
}

// Verify is Verifier.Verify for tokens that are not revoked, of users who are not banned.
// It fails with domain.ErrBanned for a banned user, with domain.ErrUnauthenticated for a
// revoked token, and with the error of StandingOf if that fails.
func (c *StandingChecker) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	id, err := c.verifier.Verify(ctx, raw)
	if err == nil {
		err = c.check(ctx, id)
	}
	if err != nil {
		return domain.Identity{}, err
	}
	return id, nil
}

// check refuses a token by the standing of its user, as it was standingAge ago at most.
func (c *StandingChecker) check(ctx context.Context, id domain.Identity) error {
	known, cached := c.cache.Get(id.User)
	if now := time.Now(); !cached || now.Sub(known.read) > standingAge {
		s, err := c.standings.StandingOf(ctx, id.User)
		if err != nil {
			return err
		}
		known = standing{s, now}
		c.cache.Add(id.User, known)
	}
	return known.Check(id)
}
