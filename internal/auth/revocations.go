package auth

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"im/domain"
)

const (
	revocationAge  = time.Second // after which a user's revocation is read again
	maxRevocations = 50_000      // users whose revocation is cached
)

// Revocations knows which tokens are revoked.
type Revocations interface {
	// RevokedBefore returns the time before which the user's tokens were issued if
	// they are revoked; zero if none are.
	RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error)
}

// RevocationChecker is a Verifier that also refuses revoked tokens. It may be
// used concurrently.
//
// Its cache is bounded by maxRevocations. It has no expiring entries, because
// the library's expirable cache runs a goroutine that cannot be stopped.
type RevocationChecker struct {
	verifier    *Verifier
	revocations Revocations
	cache       *lru.Cache[domain.UserID, revocation]
}

type revocation struct {
	before time.Time // tokens issued earlier are revoked
	read   time.Time
}

// NewRevocationChecker returns a RevocationChecker.
func NewRevocationChecker(v *Verifier, r Revocations) *RevocationChecker {
	cache, err := lru.New[domain.UserID, revocation](maxRevocations)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &RevocationChecker{verifier: v, revocations: r, cache: cache}
}

// Verify is Verifier.Verify for tokens that are not revoked. It fails with
// domain.ErrUnauthenticated for a revoked token, and with the error of
// RevokedBefore if that fails.
func (c *RevocationChecker) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	id, err := c.verifier.Verify(ctx, raw)
	if err == nil {
		err = c.check(ctx, id)
	}
	if err != nil {
		return domain.Identity{}, err
	}
	return id, nil
}

// check refuses a revoked token. The cached revocation is at most revocationAge old.
func (c *RevocationChecker) check(ctx context.Context, id domain.Identity) error {
	known, cached := c.cache.Get(id.User)
	if now := time.Now(); !cached || now.Sub(known.read) > revocationAge {
		before, err := c.revocations.RevokedBefore(ctx, id.User)
		if err != nil {
			return err
		}
		known = revocation{before: before, read: now}
		c.cache.Add(id.User, known)
	}
	return id.CheckRevoked(known.before)
}
