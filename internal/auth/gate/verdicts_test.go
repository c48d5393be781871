package gate

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// RevokedBefore counts how often it is asked.
func (d *desk) RevokedBefore(_ context.Context, user domain.UserID) (time.Time, error) {
	defer d.lock()()
	d.asked++
	if d.away {
		return time.Time{}, domain.ErrUnavailable
	}
	return d.revoked[user], nil
}

func (d *desk) revoke(user domain.UserID, at time.Time) { defer d.lock()(); d.revoked[user] = at }

func newDesk() *desk {
	return &desk{revoked: map[domain.UserID]time.Time{}, tokens: map[string]domain.Identity{
		"old": named("alice", "", 100), "new": named("alice", "", 102), "timeless": {User: "alice"}, "bob": named("bob", "", 100),
	}}
}

func TestRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		g := New(Options{Verifier: d, Profiles: d, Revocations: d, Limits: domain.DefaultLimits()})
		calls := Calls{g}
		verify := func(raw string) error {
			_, err := calls.Verify(t.Context(), raw)
			return err
		}
		for range 100 {
			require.NoError(t, verify("old"))
			require.NoError(t, verify("timeless"))
		}
		require.Equal(t, 1, d.asked, "remembered for a moment")
		d.revoke("alice", time.Unix(101, 500))
		time.Sleep(verdictAge + 1)
		require.ErrorIs(t, verify("old"), domain.ErrUnauthenticated)
		require.ErrorIs(t, verify("timeless"), domain.ErrUnauthenticated, "counts as issued before")
		require.NoError(t, verify("new"))
		require.NoError(t, verify("bob"))

		d.away = true
		time.Sleep(verdictAge + 1)
		require.ErrorIs(t, verify("new"), domain.ErrUnavailable, "who cannot be judged is not let in")
	})
}

func TestVerdicts_are_bounded(t *testing.T) {
	v := newVerdicts(newDesk())
	for i := range 3 * maxVerdicts {
		require.NoError(t, v.judge(t.Context(), domain.Identity{User: domain.UserID(fmt.Sprint(i))}))
	}
	require.LessOrEqual(t, len(v.now)+len(v.before), 2*maxVerdicts)
}
