package auth

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// fakeRevocations counts how often it is asked.
type fakeRevocations struct {
	mu     sync.Mutex
	before map[domain.UserID]time.Time
	fail   error
	calls  int
}

func (r *fakeRevocations) RevokedBefore(_ context.Context, user domain.UserID) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	return r.before[user], r.fail
}

func (r *fakeRevocations) set(user domain.UserID, before time.Time, fail error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before[user], r.fail = before, fail
}

func TestRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revocations := &fakeRevocations{before: map[domain.UserID]time.Time{}}
		checker := NewRevocationChecker(verifier(t, Options{Secret: secret}), revocations)
		issued := time.Now().Add(-time.Hour).Truncate(time.Second)
		token := func(user string, at time.Time) string {
			claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
			if !at.IsZero() {
				claims["iat"] = at.Unix()
			}
			return signed(t, jwt.SigningMethodHS256, []byte(secret), claims, "")
		}
		earlier, later, unknown := token("alice", issued), token("alice", issued.Add(2*time.Second)), token("alice", time.Time{})
		verify := func(raw string) error {
			_, err := checker.Verify(t.Context(), raw)
			return err
		}
		for range 100 {
			require.NoError(t, verify(earlier))
			require.NoError(t, verify(unknown))
		}
		require.Equal(t, 1, revocations.calls, "the answer is cached")
		revocations.set("alice", issued.Add(1500*time.Millisecond), nil)
		time.Sleep(revocationAge + 1)
		require.ErrorIs(t, verify(earlier), domain.ErrUnauthenticated)
		require.ErrorIs(t, verify(unknown), domain.ErrUnauthenticated, "a token without iat counts as issued before")
		require.NoError(t, verify(later))
		require.NoError(t, verify(token("bob", issued)))

		revocations.set("bob", time.Time{}, domain.ErrUnavailable)
		time.Sleep(revocationAge + 1)
		require.ErrorIs(t, verify(later), domain.ErrUnavailable, "a token that cannot be checked is refused")
	})
}

func TestRevocationCacheIsBounded(t *testing.T) {
	checker := NewRevocationChecker(nil, &fakeRevocations{})
	for i := range 3 * maxRevocations {
		require.NoError(t, checker.check(t.Context(), domain.Identity{User: domain.UserID(fmt.Sprint(i))}))
	}
	require.Equal(t, maxRevocations, checker.cache.Len())
}
