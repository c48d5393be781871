package chaos

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/tools/verify"
)

// longForm reports whether IM_TEST_LONG asks for the long form of the tests.
func longForm() bool { return os.Getenv("IM_TEST_LONG") != "" }

// shortOrLong returns short, or long in the long form.
func shortOrLong[T any](short, long T) T {
	if longForm() {
		return long
	}
	return short
}

// scenario is a cluster under the load of im verify, which checks the invariants. Probes
// measure latencies.
type scenario struct {
	*cluster
	probes   *probes
	loadDone chan struct{}  // closed when report and err are set
	report   *verify.Report // of the load
	err      error
	loss     bool // a failover may lose answered sends
	name     string
}

// fault is one kind of failure.
type fault struct {
	name     string
	duration time.Duration
	begin    func()
	end      func() // nil: the fault needs no repair
	// within bounds the recovery of sends and deliveries; 0 means recoverWithin.
	within time.Duration
}

// slack is the factor by which a test may exceed a promised time: one shared machine
// runs the services, the nodes and the load. The tests log the measured times;
// docs/reliability.md lists them.
const slack = 4

// recoverWithin is the default bound of a recovery: the design promises 2 s.
const recoverWithin = slack * 2 * time.Second

// figures are the measurements of one fault.
type figures struct {
	sends, deliveries, ready time.Duration // time to recovery, from the end of the fault
	answer, delivery         time.Duration // longest latency from the begin of the fault to recovery
}

// newScenario starts nodes, probes and the load, and waits until the load appends events.
// The load lasts for expected, which must cover all faults of the test.
func newScenario(t *testing.T, nodes int, expected time.Duration, set ...func(*verify.Options)) *scenario {
	t.Helper()
	s := &scenario{cluster: newCluster(t, nodes), loadDone: make(chan struct{}), name: t.Name()}
	s.probes = s.startProbes()
	s.load(expected, set)
	eventually.True(t, "the load appends events", func() bool {
		return s.count(`SELECT count(*) FROM events WHERE client_msg_id LIKE 'v-u%'`) > 10
	})
	return s
}

// load starts im verify with a duration.
func (s *scenario) load(duration time.Duration, set []func(*verify.Options)) {
	options := verify.Options{
		URLs:  s.urls(),
		Token: func(_ context.Context, user string) (string, error) { return sign(user, false) },
		ServerToken: func(context.Context) (string, error) {
			return sign("backend", true)
		},
		Users: shortOrLong(12, 30), Conversations: shortOrLong(12, 30), Rate: shortOrLong(25.0, 40.0),
		Duration: duration, CompleteWithin: 15 * time.Second, Settle: waitTimeout, Prefix: "v", Webhook: true,
	}
	for _, set := range set {
		set(&options)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(func() { cancel(); <-s.loadDone })
	go func() {
		defer close(s.loadDone)
		s.report, s.err = verify.Run(ctx, options)
	}()
}

// inject begins a fault, waits, ends it, and waits for the recovery. It returns the
// measurements, and fails the test if the recovery took too long.
func (s *scenario) inject(f fault) figures {
	s.t.Helper()
	began := time.Now()
	f.begin()
	time.Sleep(f.duration)
	if f.end != nil {
		f.end()
	}
	ended := time.Now()
	var sends, deliveries time.Time
	eventually.True(s.t, f.name+": sends and deliveries recover", func() (ok bool) {
		sends, deliveries, ok = s.probes.recovered(ended)
		return ok
	})
	eventually.True(s.t, f.name+": all nodes are ready", func() bool {
		for _, n := range s.nodes {
			if !n.ready() {
				return false
			}
		}
		return true
	})
	got := figures{sends: max(0, sends.Sub(ended)), deliveries: max(0, deliveries.Sub(ended)), ready: time.Since(ended)}
	if !s.loss {
		eventually.True(s.t, f.name+": all answered sends are delivered", func() bool { return s.probes.undelivered() == 0 })
	}
	got.answer, got.delivery = s.probes.slowest(began, time.Now())
	s.record(f, ended.Sub(began), got)
	within := f.within
	if within == 0 {
		within = recoverWithin
	}
	require.Less(s.t, max(got.sends, got.deliveries), within, "%s: recovery took too long", f.name)
	return got
}

// record logs the figures and appends them to the report.
func (s *scenario) record(f fault, lasted time.Duration, got figures) {
	row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", f.name, seconds(lasted),
		seconds(got.answer), seconds(got.delivery), seconds(got.sends), seconds(got.deliveries), seconds(got.ready))
	s.t.Log(row)
	s.appendToReport(row)
}

// appendToReport appends a line to the file that IM_TEST_REPORT names.
func (s *scenario) appendToReport(row string) {
	path := os.Getenv("IM_TEST_REPORT")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(s.t, err)
	_, err = f.WriteString(row + "\n")
	require.NoError(s.t, err)
	require.NoError(s.t, f.Close())
}

// seconds formats a duration for the report.
func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// requireNoBreach waits for the end of the load, and asserts that im verify found no
// breach and that the logs are dense.
func (s *scenario) requireNoBreach() *verify.Report {
	s.t.Helper()
	<-s.loadDone
	require.NoError(s.t, s.err)
	s.probes.stop()
	require.Zero(s.t, s.count(`SELECT count(*) FROM conversations c
		WHERE head_seq <> (SELECT count(*) FROM events e WHERE e.conversation_id = c.id)`), "a log is not dense")
	r := s.report
	row := fmt.Sprintf("%s: %d sends answered, %d events in the logs, %d pushed, %d reconnects, longest outage %.1f s, longest wait %.1f s, %d breaches",
		strings.TrimPrefix(s.name, "Test"), r.Answered, r.LogEvents, r.Deliveries, r.Reconnects, r.MaxOutage/1000, r.MaxUnanswered/1000, r.BreachCount)
	s.t.Log(row)
	s.appendToReport("<!-- " + row + " -->")
	if r.BreachCount > 0 {
		s.t.Log(r.Text())
	}
	require.Zero(s.t, r.BreachCount)
	require.Empty(s.t, r.Unfinished, "some checks did not finish")
	require.Positive(s.t, r.Answered, "there was no load")
	return r
}
