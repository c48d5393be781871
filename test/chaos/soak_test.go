package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/tools/verify"
)

// measure is one figure that must not grow during a soak.
type measure struct {
	name  string
	unit  string
	slack float64        // allowed growth in addition to 25 %
	take  func() float64 // negative: cannot be measured now
}

// TestSoak runs for the duration in IM_TEST_SOAK, with a fault every minute. The first node
// is never restarted; its memory, files and goroutines must not grow.
func TestSoak(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("IM_TEST_SOAK"))
	if err != nil {
		t.Skip("IM_TEST_SOAK is not set: make soak")
	}
	every := min(time.Minute, duration/5)
	s := newScenario(t, 3, duration, func(o *verify.Options) { o.CompleteWithin = time.Minute })
	began, faults := time.Now(), s.soakFaults()
	stop := make(chan struct{})
	sampled := make(chan [][]float64)
	measures := s.measures()
	go func() { sampled <- takeSamples(measures, duration/60, stop) }()
	for i := 0; time.Since(began)+every < duration; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i+1)*every - every/2)))
		s.inject(faults[i%len(faults)])
	}
	time.Sleep(time.Until(began.Add(duration)))
	close(stop)
	samples := <-sampled
	s.requireFlat(measures, samples)
	s.requireNoBreach()
	s.requireOnlyLiveQueues(s.redisClient())
	s.requireSameGoroutines()
}

// soakFaults returns the faults that a soak injects in turn.
func (s *scenario) soakFaults() []fault {
	last, mustDo := s.nodes[2], func(do func() error) func() { return func() { require.NoError(s.t, do()) } }
	return []fault{
		{name: "RabbitMQ: connections cut", duration: 5 * time.Second, begin: s.each(func(n *node) { n.rabbit.Cut() }), end: s.each(func(n *node) { n.rabbit.Mend() })},
		{name: "a node killed (SIGKILL), and started again", duration: 5 * time.Second, begin: s.nodes[1].kill, end: s.nodes[1].start},
		{name: "Redis stopped and started, empty", duration: 5 * time.Second, begin: shared.redis.kill, end: mustDo(shared.redis.start)},
		{name: "PostgreSQL stopped and started", duration: 3 * time.Second, begin: mustDo(shared.postgres.stop), end: s.startPostgres},
		{
			name: "a node paused (SIGSTOP)", duration: 12 * time.Second, within: 5 * time.Second,
			begin: func() { last.signal(syscall.SIGSTOP) }, end: func() { last.signal(syscall.SIGCONT) },
		},
		{name: "RabbitMQ stopped and started", duration: 5 * time.Second, begin: mustDo(shared.rabbit.stop), end: mustDo(shared.rabbit.start)},
		{name: "PostgreSQL: connections cut", duration: 3 * time.Second, begin: s.each(func(n *node) { n.postgres.Cut() }), end: s.each(func(n *node) { n.postgres.Mend() })},
		{name: "PostgreSQL's postmaster killed (kill -9), and started", duration: 3 * time.Second, begin: mustDo(shared.postgres.kill), end: s.startPostgres},
		{name: "a node restarted (SIGTERM)", begin: last.stop, end: last.start},
		{name: "Redis: connections half-open, all packets dropped", duration: 5 * time.Second, begin: s.each(func(n *node) { n.redis.Lose() }), end: s.each(func(n *node) { n.redis.Mend() })},
	}
}

// takeSamples takes all measures at each interval until stop is closed. A value that
// cannot be measured during a fault is negative.
func takeSamples(measures []measure, every time.Duration, stop <-chan struct{}) (samples [][]float64) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stop:
			return samples
		}
		row := make([]float64, len(measures))
		for i, m := range measures {
			row[i] = m.take()
		}
		samples = append(samples, row)
	}
}

func (s *scenario) measures() []measure {
	first, cache := s.nodes[0], s.redisClient()
	proc := func(field string) func() float64 {
		return func() float64 { return status(first.process.cmd.Process.Pid, field) }
	}
	return append([]measure{
		{"memory of the node that is never restarted", "MB", 32, func() float64 { return proc("VmRSS")() / 1024 }},
		{"its threads", "", 10, proc("Threads")},
		{"its open files and connections", "", 20, func() float64 {
			entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", first.process.cmd.Process.Pid))
			return valueOrNegative(float64(len(entries)), err)
		}},
		{"connections of PostgreSQL", "", 10, func() float64 {
			return s.numberOrNegative(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'im'`)
		}},
		{"keys of Redis", "", 20, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			n, err := cache.DBSize(ctx).Result()
			return valueOrNegative(float64(n), err)
		}},
	}, s.queueMeasures(cache)...)
}

func valueOrNegative(v float64, err error) float64 {
	if err != nil {
		return -1
	}
	return v
}

// status returns a number from /proc/…/status, or -1.
func status(pid int, field string) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return -1
	}
	_, rest, _ := strings.Cut(string(text), "\n"+field+":")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return -1
	}
	n, err := strconv.ParseFloat(words[0], 64)
	return valueOrNegative(n, err)
}

// requireFlat asserts that the median of the last quarter of the samples is not much
// above that of the first quarter.
func (s *scenario) requireFlat(measures []measure, samples [][]float64) {
	s.t.Helper()
	quarter := len(samples) / 4
	require.Positive(s.t, quarter, "too few samples")
	s.appendToReport("| measure | first quarter | last quarter | most |")
	for i, m := range measures {
		var all []float64
		for _, row := range samples {
			all = append(all, row[i])
		}
		first, last, most := median(all[:quarter]), median(all[len(all)-quarter:]), slices.Max(all)
		row := fmt.Sprintf("| %s | %.0f %s | %.0f %s | %.0f %s |", m.name, first, m.unit, last, m.unit, most, m.unit)
		s.t.Log(row)
		s.appendToReport(row)
		if last < 0 || last > first*1.25+m.slack {
			s.t.Errorf("%s grows: %.0f in the first quarter, %.0f in the last", m.name, first, last)
		}
	}
}

// median returns the median of the values that are not negative, or -1.
func median(values []float64) float64 {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v < 0 })
	if len(values) == 0 {
		return -1
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// requireSameGoroutines compares the goroutines of the node that was never restarted with
// those of a node that was just started. No client is connected to either.
func (s *scenario) requireSameGoroutines() {
	s.t.Helper()
	old, fresh := s.nodes[0], s.nodes[1]
	fresh.stop()
	fresh.start()
	var counts []int
	for _, n := range []*node{old, fresh} {
		n.signal(syscall.SIGQUIT)
		<-n.process.done
		counts = append(counts, len(regexp.MustCompile(`(?m)^goroutine \d+ .*\[`).FindAllString(n.log.String(), -1)))
		n.process = nil
	}
	row := fmt.Sprintf("| goroutines at the end without connections; of a node just started | %d | %d | |", counts[0], counts[1])
	s.t.Log(row)
	s.appendToReport(row)
	require.Positive(s.t, counts[1])
	require.LessOrEqual(s.t, counts[0], counts[1]+15)
}
