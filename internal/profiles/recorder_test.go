package profiles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/test/eventually"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fakeStore keeps claims in memory.
type fakeStore struct {
	mu      sync.Mutex
	written []domain.ProfileClaims
	calls   int
	fail    error
}

func (s *fakeStore) lock() func() { s.mu.Lock(); return s.mu.Unlock }

func (s *fakeStore) Claim(_ context.Context, claims []domain.ProfileClaims) error {
	defer s.lock()()
	s.calls++
	if s.fail == nil {
		s.written = append(s.written, claims...)
	}
	return s.fail
}

func (s *fakeStore) count() int { defer s.lock()(); return len(s.written) }

func running(t *testing.T, s *fakeStore) *Recorder {
	t.Helper()
	r := NewRecorder(s, domain.DefaultLimits(), slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return r
}

func identity(name string, issued int64) domain.Identity {
	return domain.Identity{User: "alice", Name: name, Issued: domain.TimeOf(time.Unix(issued, 0))}
}

func TestClaimsAreWrittenOnceAndWhenTheyChange(t *testing.T) {
	s := &fakeStore{}
	r := running(t, s)
	first, second := identity("Alice", 1), identity("Alice B.", 2)
	for range 100 {
		r.Record(first)
		r.Record(domain.Identity{User: "bob"})
	}
	eventually.True(t, "the first claims are written", func() bool { return s.count() == 1 })
	r.Record(second)
	eventually.True(t, "the changed claims are written", func() bool { return s.count() == 2 })
	for range 100 {
		r.Record(first) // of another device: older
		r.Record(second)
	}
	require.Zero(t, r.pending.Len())
	require.Equal(t, "Alice B.", *s.written[1].Name)
}

func TestClaimsThatCouldNotBeWrittenAreRecordedAgain(t *testing.T) {
	s := &fakeStore{fail: errors.New("down")}
	r := running(t, s)
	r.Record(identity("Alice", 1))
	eventually.True(t, "a write fails", func() bool { defer s.lock()(); return s.calls == 1 })
	func() { defer s.lock()(); s.fail = nil }()
	eventually.True(t, "the same claims are written", func() bool {
		r.Record(identity("Alice", 1))
		return s.count() == 1
	})
}

func TestRunWritesWhatWaitsWhenItEnds(t *testing.T) {
	s := &fakeStore{}
	r := NewRecorder(s, domain.DefaultLimits(), slog.New(slog.DiscardHandler))
	r.Record(identity("Alice", 1))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, r.Run(ctx))
	require.Equal(t, 1, s.count())
}

func TestI9ClaimsAreBounded(t *testing.T) {
	s := &fakeStore{}
	r := NewRecorder(s, domain.DefaultLimits(), slog.New(slog.DiscardHandler))
	for i := range 3 * maxRecorded {
		r.Record(domain.Identity{User: domain.UserID(fmt.Sprint(i)), Name: "x"})
		if i%1000 == 999 {
			require.NoError(t, r.pending.Flush(t.Context()))
		}
	}
	require.Equal(t, 3*maxRecorded, s.count())
	require.Equal(t, maxRecorded, r.recorded.Len())
	for i := range 2 * maxPending {
		r.Record(domain.Identity{User: domain.UserID(fmt.Sprint("y", i)), Name: "x"})
	}
	require.Equal(t, maxPending, r.pending.Len())
}
