package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// fakeStandings counts how often it is asked.
type fakeStandings struct {
	mu    sync.Mutex
	known map[domain.UserID]domain.Standing
	fail  error
	calls int
}

func (r *fakeStandings) StandingOf(_ context.Context, user domain.UserID) (domain.Standing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	return r.known[user], r.fail
}

func (r *fakeStandings) set(user domain.UserID, s domain.Standing, fail error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[user], r.fail = s, fail
}

func TestRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revocations := &fakeStandings{known: map[domain.UserID]domain.Standing{}}
		checker := NewStandingChecker(verifier(t, Options{Secret: secret}), revocations)
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
		revocations.set("alice", domain.Standing{RevokedBefore: issued.Add(1500 * time.Millisecond)}, nil)
		time.Sleep(standingAge + 1)
		require.ErrorIs(t, verify(earlier), domain.ErrUnauthenticated)
		require.ErrorIs(t, verify(unknown), domain.ErrUnauthenticated, "a token without iat counts as issued before")
		require.NoError(t, verify(later))
		require.NoError(t, verify(token("bob", issued)))

		revocations.set("bob", domain.Standing{}, domain.ErrUnavailable)
		time.Sleep(standingAge + 1)
		require.ErrorIs(t, verify(later), domain.ErrUnavailable, "a token that cannot be checked is refused")
	})
}

// Every token of a banned user is refused, with the rest of the ban. Backends are
// not banned.
func TestBannedUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		standings := &fakeStandings{known: map[domain.UserID]domain.Standing{
			"alice": {RevokedBefore: time.Now(), Ban: &domain.UserBan{Left: time.Minute}},
		}}
		checker := NewStandingChecker(verifier(t, Options{Secret: secret}), standings)
		token := func(scope string) string {
			return signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{
				"sub": "alice", "scope": scope, "iat": time.Now().Add(time.Second).Unix(), "exp": time.Now().Add(time.Hour).Unix(),
			}, "")
		}
		_, err := checker.Verify(t.Context(), token(""))
		require.ErrorIs(t, err, domain.ErrForbidden)
		refused, _ := errors.AsType[*domain.Error](err)
		require.Equal(t, time.Minute, refused.After)
		_, err = checker.Verify(t.Context(), token("server"))
		require.NoError(t, err)
		standings.set("alice", domain.Standing{}, nil)
		time.Sleep(standingAge + 1)
		_, err = checker.Verify(t.Context(), token(""))
		require.NoError(t, err, "the ban is over")
	})
}

func TestStandingCacheIsBounded(t *testing.T) {
	checker := NewStandingChecker(nil, &fakeStandings{})
	for i := range 3 * maxStandings {
		require.NoError(t, checker.check(t.Context(), domain.Identity{User: domain.UserID(fmt.Sprint(i))}))
	}
	require.Equal(t, maxStandings, checker.cache.Len())
}
