package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const short = 300 * time.Millisecond

func (l *latency) count() (n int64) {
	for i := range l.parts {
		n += l.parts[i].h.TotalCount()
	}
	return n
}

// TestClosedLoop: what was sent is answered and received, all of it, and no more
// is in flight than was asked for.
func TestClosedLoop(t *testing.T) {
	f := newFake(t)
	l := f.load(2, 0, 4)
	f.run(l, Options{Warmup: short / 3, Duration: short})
	require.Positive(t, l.sent.Load())
	require.EqualValues(t, f.answered(), l.sent.Load())
	require.Equal(t, l.sent.Load(), l.acked.Load())
	require.Equal(t, l.sent.Load(), l.received.Load())
	require.Equal(t, l.sent.Load(), l.echoed.Load())
	require.Zero(t, l.lost())
	require.Less(t, l.ackedIn.Load(), l.acked.Load(), "the warm-up is not counted")
	require.LessOrEqual(t, l.acks.count(), l.ackedIn.Load()+8)
	require.Positive(t, l.ends.count())
}

// TestPairsAcross: with two nodes, each of a pair is on one of them.
func TestPairsAcross(t *testing.T) {
	one, two := newFake(t), newFake(t)
	token := func(context.Context, domain.UserID) (string, error) { return "token", nil }
	p := newPeople(&cluster{urls: []string{one.server.URL, two.server.URL}, token: token}, "abcdef")
	defer p.close()
	for nodes, want := range map[int][2]int{1: {6, 0}, 2: {3, 3}} {
		socks, ids, err := connectPairs(t.Context(), p, nodes, 3)
		require.NoError(t, err)
		require.Len(t, ids, 3)
		require.Equal(t, want, [2]int{one.taken(), two.taken()})
		closeAll(socks)
	}
}

// TestInFlight: answers that do not come hold up the sender.
func TestInFlight(t *testing.T) {
	f := newFake(t)
	var once sync.Once
	release := make(chan struct{})
	f.hold = func() { <-release }
	l := f.load(1, 0, 5)
	time.AfterFunc(2*short, func() { once.Do(func() { close(release) }) })
	f.run(l, Options{Duration: short})
	require.EqualValues(t, 5, l.sent.Load())
	require.EqualValues(t, 5, l.acked.Load())
	require.Zero(t, l.ackedIn.Load(), "they came too late to count")
}

// TestLost: an event too few or too many is told.
func TestLost(t *testing.T) {
	for name, c := range map[string]struct {
		copies int
		lost   int64
	}{"one too few": {0, 1}, "one too many": {2, -1}} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.copies = func(number, _, receiver int) int {
				if number == 2 && receiver == 1 {
					return c.copies
				}
				return 1
			}
			l := f.load(1, 2, 1)
			l.patience = 10 * short
			f.run(l, Options{Duration: short})
			require.Equal(t, c.lost, l.lost())
		})
	}
}

// TestOpenLoopOmitsNothing: while the server stands still, messages go on being
// due, and those that could not be sent for that reason count with all the time
// that they have waited.
func TestOpenLoopOmitsNothing(t *testing.T) {
	const rate, second = 400, time.Second
	f := newFake(t)
	var once sync.Once
	release := make(chan struct{})
	f.hold = func() { <-release }
	time.AfterFunc(second+short, func() { once.Do(func() { close(release) }) })
	l := f.load(1, 0, 16)
	f.run(l, Options{Duration: second, Rate: rate})
	require.InDelta(t, rate, l.acks.count(), rate/20)
	require.Equal(t, l.sent.Load(), l.acked.Load())
	p50, ok := find(l.acks.percentiles("ack", 50), "ack_p50")
	require.True(t, ok)
	require.Greater(t, p50, float64((second / 2).Milliseconds()), "half of them were due in the first half, and answered after the second")
}

// TestRefused: an error that answers a message is counted, and does not stop the load.
func TestRefused(t *testing.T) {
	f := newFake(t)
	l := f.load(1, 0, 1)
	l.from, l.to = 0, int64(time.Hour)
	seen := batch{now: 1}
	refusal := []byte(`{"type":"error","id":"` + idOf(l.tag, 1, 1) + `","code":"rate_limited"}`)
	require.NoError(t, l.look(l.chatters[0], refusal, &seen))
	require.EqualValues(t, 1, seen.refused)
	require.Equal(t, 1, seen.answered)
	require.Error(t, l.look(l.chatters[0], []byte(`{"type":"error","code":"internal"}`), &seen))
	require.Error(t, l.look(l.chatters[0], []byte(`{"type":"gap"}`), &seen), "the load is not to be slower than the server")
	l.close()
}
