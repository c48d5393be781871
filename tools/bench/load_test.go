package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const short = 300 * time.Millisecond

func (l *latency) count() (n int64) {
	for i := range l.shards {
		n += l.shards[i].h.TotalCount()
	}
	return n
}

// TestClosedLoop: every message is answered and received, and no more are in flight
// than the options say.
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

// TestPairsAcross: with two nodes, the users of a pair are on different ones.
func TestPairsAcross(t *testing.T) {
	one, two := newFake(t), newFake(t)
	token := func(context.Context, domain.UserID) (string, error) { return "token", nil }
	p := newFixture(&cluster{urls: []string{one.server.URL, two.server.URL}, token: token}, "abcdef")
	defer p.close()
	for nodes, want := range map[int][2]int{1: {6, 0}, 2: {3, 3}} {
		socks, ids, err := connectPairs(t.Context(), p, nodes, 3)
		require.NoError(t, err)
		require.Len(t, ids, 3)
		require.Equal(t, want, [2]int{one.taken(), two.taken()})
		closeAll(socks)
	}
}

// TestInFlight: without answers a sender stops.
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
	require.Zero(t, l.ackedIn.Load(), "they came after the measured time")
}

// TestLost: an event that is missing or arrives twice is reported.
func TestLost(t *testing.T) {
	for name, c := range map[string]struct {
		copies int
		lost   int64
	}{"one is missing": {0, 1}, "one arrives twice": {2, -1}} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.copies = func(number, _, receiver int) int {
				if number == 2 && receiver == 1 {
					return c.copies
				}
				return 1
			}
			l := f.load(1, 2, 1)
			l.timeout = 10 * short
			f.run(l, Options{Duration: short})
			require.Equal(t, c.lost, l.lost())
		})
	}
}

// TestOpenLoopOmitsNothing: while the server does not answer, messages become due
// nevertheless. Those that could not be sent count with the whole time they waited.
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
	require.Greater(t, p50, float64((second / 2).Milliseconds()), "half of the messages were due in the first half of the time, and all were answered after it")
}

// TestRefused: an error frame that answers a message is counted, and it does not stop the load.
func TestRefused(t *testing.T) {
	f := newFake(t)
	l := f.load(1, 0, 1)
	l.from, l.to = 0, int64(time.Hour)
	result := readResult{now: 1}
	refusal := []byte(`{"type":"error","id":"` + idOf(l.tag, 1, 1) + `","code":"rate_limited"}`)
	require.NoError(t, l.handle(l.participants[0], refusal, &result))
	require.EqualValues(t, 1, result.refused)
	require.Equal(t, 1, result.answered)
	require.Error(t, l.handle(l.participants[0], []byte(`{"type":"error","code":"internal"}`), &result))
	require.Error(t, l.handle(l.participants[0], []byte(`{"type":"gap"}`), &result), "a gap means that the load reads too slowly")
	l.close()
}
