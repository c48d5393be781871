package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is what a gate stands before, in memory.
type desk struct {
	mu     sync.Mutex
	tokens map[string]domain.Identity
	wrote  []domain.ProfileClaims
	calls  int
	away   bool

	revoked map[domain.UserID]time.Time
	asked   int
}

func (d *desk) lock() func() { d.mu.Lock(); return d.mu.Unlock }

func (d *desk) Verify(_ context.Context, raw string) (domain.Identity, error) {
	defer d.lock()()
	id, ok := d.tokens[raw]
	if !ok {
		return id, domain.ErrUnauthenticated
	}
	return id, nil
}

func (d *desk) Claim(_ context.Context, claims []domain.ProfileClaims) error {
	defer d.lock()()
	d.calls++
	if d.away {
		return errors.New("away")
	}
	d.wrote = append(d.wrote, claims...)
	return nil
}

func (d *desk) written() int { defer d.lock()(); return len(d.wrote) }

func open(t *testing.T, d *desk) *Gate {
	t.Helper()
	g := New(Options{Verifier: d, Profiles: d, Revocations: d, Limits: domain.DefaultLimits(), Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return g
}

func named(user domain.UserID, name string, issued int64) domain.Identity {
	return domain.Identity{User: user, Name: name, Issued: domain.TimeOf(time.Unix(issued, 0))}
}

func TestClaims_are_written_once_and_when_they_change(t *testing.T) {
	d := &desk{tokens: map[string]domain.Identity{
		"a1": named("alice", "Alice", 1), "a2": named("alice", "Alice B.", 2), "bare": {User: "bob"},
	}}
	g := open(t, d)
	verify := func(raw string) {
		t.Helper()
		_, err := g.Verify(t.Context(), raw)
		require.NoError(t, err)
	}
	for range 100 {
		verify("a1")
		verify("bare")
	}
	require.Eventually(t, func() bool { return d.written() == 1 }, 30*time.Second, time.Millisecond)
	verify("a2")
	require.Eventually(t, func() bool { return d.written() == 2 }, 30*time.Second, time.Millisecond)
	for range 100 {
		verify("a1") // of another device: older, and so no news
		verify("a2")
	}
	require.Empty(t, g.claims.pending)
	require.Equal(t, "Alice B.", *d.wrote[1].Name)
	_, err := g.Verify(t.Context(), "forged")
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
}

func TestClaims_that_could_not_be_written_are_news_again(t *testing.T) {
	d := &desk{tokens: map[string]domain.Identity{"a": named("alice", "Alice", 1)}, away: true}
	g := open(t, d)
	_, err := g.Verify(t.Context(), "a")
	require.NoError(t, err, "a profile holds nobody up")
	require.Eventually(t, func() bool { defer d.lock()(); return d.calls == 1 }, 30*time.Second, time.Millisecond)
	func() { defer d.lock()(); d.away = false }()
	require.Eventually(t, func() bool {
		_, err := g.Verify(t.Context(), "a")
		return err == nil && d.written() == 1
	}, 30*time.Second, time.Millisecond)
}

func TestClaims_are_bounded(t *testing.T) {
	c := newClaims(&desk{}, slog.New(slog.DiscardHandler))
	name := "x"
	for i := range 3 * maxKnown {
		c.note(domain.ProfileClaims{User: domain.UserID(fmt.Sprint(i)), Name: &name})
		if i%1000 == 999 {
			require.True(t, c.flush(t.Context()))
		}
	}
	require.LessOrEqual(t, len(c.known)+len(c.before), 2*maxKnown)
	for i := range 2 * maxPending {
		c.note(domain.ProfileClaims{User: domain.UserID(fmt.Sprint("y", i)), Name: &name})
	}
	require.Len(t, c.pending, maxPending)
}
