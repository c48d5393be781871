package chaos

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/tools/verify"
)

func long() bool { return os.Getenv("IM_LONG") != "" }

// either is the short form's value, or the long one's.
func either[T any](shortly, atLength T) T {
	if long() {
		return atLength
	}
	return shortly
}

// scenario is a cluster under load, judged by im verify, and watched by probes.
type scenario struct {
	*world
	probes  *probes
	judged  chan struct{}
	report  *verify.Report
	err     error
	loss    bool // a failover may take answered sends away
	cluster string
}

// fault is something that goes wrong for a while.
type fault struct {
	name  string
	lasts time.Duration
	begin func()
	end   func() // nil: it is over at once
	// within is how long sends and deliveries may take to be well again; 0: 2.5 s,
	// the 2 s of the design and the interval of the probes.
	within time.Duration
}

// slack is by how much longer than promised something may take in a test: the
// machine is shared, and runs the services, the nodes and the load at once. What
// it took is told, and stands in docs/reliability.md.
const slack = 4

const recoverWithin = slack * 2 * time.Second

// figures are what was measured of a fault.
type figures struct {
	sends, deliveries, ready time.Duration // after its end
	answer, delivery         time.Duration // the slowest meanwhile
}

// newScenario starts nodes and load. The load lasts a while longer than the
// faults, of which expected is how long they take together.
func newScenario(t *testing.T, nodes int, expected time.Duration, set ...func(*verify.Options)) *scenario {
	t.Helper()
	s := &scenario{world: newWorld(t, nodes), judged: make(chan struct{}), cluster: t.Name()}
	s.probes = s.startProbes()
	s.load(expected, set)
	require.Eventually(t, func() bool {
		return s.count(`SELECT count(*) FROM events WHERE client_msg_id LIKE 'v-u%'`) > 10
	}, patience, 50*time.Millisecond, "the load does not begin")
	return s
}

// load begins what im verify does.
func (s *scenario) load(duration time.Duration, set []func(*verify.Options)) {
	options := verify.Options{
		URLs:  s.urls(),
		Token: func(_ context.Context, user string) (string, error) { return sign(user, false) },
		ServerToken: func(context.Context) (string, error) {
			return sign("backend", true)
		},
		Users: either(12, 30), Conversations: either(12, 30), Rate: either(25.0, 40.0),
		Duration: duration, CompleteWithin: 15 * time.Second, Settle: patience, Prefix: "v",
	}
	for _, set := range set {
		set(&options)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(func() { cancel(); <-s.judged })
	go func() {
		defer close(s.judged)
		s.report, s.err = verify.Run(ctx, options)
	}()
}

// suffer has a fault begin, waits, ends it, and measures until all is well.
func (s *scenario) suffer(f fault) figures {
	s.t.Helper()
	began := time.Now()
	f.begin()
	time.Sleep(f.lasts)
	if f.end != nil {
		f.end()
	}
	ended := time.Now()
	var sends, deliveries time.Time
	require.Eventually(s.t, func() (ok bool) {
		sends, deliveries, ok = s.probes.recovered(ended)
		return ok
	}, patience, 10*time.Millisecond, "%s: sends and deliveries do not recover", f.name)
	require.Eventually(s.t, func() bool {
		for _, n := range s.nodes {
			if !n.ready() {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond, "%s: not ready again", f.name)
	got := figures{sends: max(0, sends.Sub(ended)), deliveries: max(0, deliveries.Sub(ended)), ready: time.Since(ended)}
	if !s.loss {
		require.Eventually(s.t, func() bool { return s.probes.missing() == 0 }, patience, 20*time.Millisecond, "%s: sends were answered and have not arrived", f.name)
	}
	got.answer, got.delivery = s.probes.slowest(began, time.Now())
	s.tell(f, ended.Sub(began), got)
	within := f.within
	if within == 0 {
		within = recoverWithin
	}
	require.Less(s.t, max(got.sends, got.deliveries), within, "%s: recovery took too long", f.name)
	return got
}

// tell logs the figures, and appends them to the report.
func (s *scenario) tell(f fault, lasted time.Duration, got figures) {
	row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", f.name, seconds(lasted),
		seconds(got.answer), seconds(got.delivery), seconds(got.sends), seconds(got.deliveries), seconds(got.ready))
	s.t.Log(row)
	s.append(row)
}

func (s *scenario) append(row string) {
	path := os.Getenv("IM_CHAOS_REPORT")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(s.t, err)
	_, err = f.WriteString(row + "\n")
	require.NoError(s.t, err)
	require.NoError(s.t, f.Close())
}

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// judge waits for the end of the load, and wants no breach.
func (s *scenario) judge() *verify.Report {
	s.t.Helper()
	<-s.judged
	require.NoError(s.t, s.err)
	s.probes.stop()
	require.Zero(s.t, s.count(`SELECT count(*) FROM conversations c
		WHERE head_seq <> (SELECT count(*) FROM events e WHERE e.conversation_id = c.id)`), "a log has a hole")
	r := s.report
	row := fmt.Sprintf("%s: %d sends answered, %d events in the logs, %d pushed, %d reconnects, longest outage %.1f s, longest wait %.1f s, %d breaches",
		strings.TrimPrefix(s.cluster, "Test"), r.Answered, r.LogEvents, r.Deliveries, r.Reconnects, r.MaxOutage/1000, r.MaxUnanswered/1000, r.BreachCount)
	s.t.Log(row)
	s.append("<!-- " + row + " -->")
	if r.BreachCount > 0 {
		s.t.Log(r.Text())
	}
	require.Zero(s.t, r.BreachCount)
	require.Empty(s.t, r.Unfinished, "not all could be judged")
	require.Positive(s.t, r.Answered, "there was no load")
	return r
}
