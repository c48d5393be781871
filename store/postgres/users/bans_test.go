package users_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// A ban from the app is known to every node when BanUser has returned, in every way that a
// node reads it, and ends by the clock of the database.
func TestBanUser(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	one, two := storetest.Start(t, url), storetest.Start(t, url)
	standings := func(user domain.UserID) []domain.Standing {
		s, err := two.StandingOf(t.Context(), user)
		require.NoError(t, err)
		admitted, err := two.Admit(t.Context(), user)
		require.NoError(t, err)
		read, err := two.Memberships(t.Context(), user)
		require.NoError(t, err)
		return []domain.Standing{s, admitted.Standing, read.Standing}
	}
	var now time.Time
	require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now))
	require.NoError(t, one.BanUser(t.Context(), "alice", nil, "fraud"))
	for _, s := range standings("alice") {
		require.Equal(t, &domain.UserBan{}, s.Ban)
		require.False(t, s.RevokedBefore.Before(now), "tokens of before are revoked, too")
		require.ErrorIs(t, s.Check(domain.Identity{User: "alice", Issued: domain.TimeOf(now.Add(time.Hour))}), domain.ErrForbidden)
	}
	for _, s := range standings("bob") {
		require.Nil(t, s.Ban)
	}
	require.ErrorIs(t, one.BanUser(t.Context(), "bob", new(domain.TimeOf(now)), ""), domain.ErrInvalid)
	until := domain.TimeOf(now.Add(time.Hour))
	require.NoError(t, one.BanUser(t.Context(), "alice", &until, ""))
	for _, s := range standings("alice") {
		require.Equal(t, &until, s.Ban.Until)
		require.InDelta(t, time.Hour, s.Ban.Left, float64(10*time.Minute))
	}
	require.NoError(t, one.UnbanUser(t.Context(), "alice"))
	for _, s := range standings("alice") {
		require.Nil(t, s.Ban)
		require.ErrorIs(t, s.Check(domain.Identity{User: "alice", Issued: domain.TimeOf(now)}), domain.ErrUnauthenticated)
	}
	storetest.EndingSoon(t, url, func(soon domain.Time) error { return one.BanUser(t.Context(), "carol", &soon, "") })
	eventually.True(t, "the ban ends by itself", func() bool { return standings("carol")[0].Ban == nil })
}
