package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/exp/trace"

	"im/internal/timeline"
)

// traceTime bounds the time of an execution trace: the trace of a busy node grows by
// some megabytes a second.
const traceTime = 2 * time.Second

// Timeline is where the time of a message goes in a node, by an execution trace.
type Timeline struct {
	Messages int      `json:"messages"`
	Steps    []Step   `json:"steps"`
	Counts   []Metric `json:"per_message"`
	Woken    []Metric `json:"woken_per_message"` // wake-ups, by the function that the goroutine began with
}

// Step is the time from one stage to another, in µs.
type Step struct {
	From string  `json:"from"`
	To   string  `json:"to"`
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
}

// steps are the steps of a message. Between a commit and the sockets there are several
// ways, which run at the same time. Delivered is the first of the sockets; lastDelivered
// the last one.
var steps = [][2]timeline.Stage{
	{timeline.Read, timeline.Parsed},
	{timeline.Parsed, timeline.Queued},
	{timeline.Queued, timeline.Taken},
	{timeline.Taken, timeline.Append},
	{timeline.Append, timeline.Committed},
	{timeline.Committed, timeline.Pushed},
	{timeline.Committed, timeline.Answered},
	{timeline.Committed, timeline.Delivered},
	{timeline.Committed, lastDelivered},
	{timeline.Read, timeline.Answered},
	{timeline.Read, lastDelivered},
}

const lastDelivered timeline.Stage = "last delivered"

// takeTimeline takes an execution trace of a node for at most d.
func takeTimeline(ctx context.Context, node string, d time.Duration) (*Timeline, error) {
	url := fmt.Sprintf("%s/debug/pprof/trace?seconds=%.1f", node, min(d, traceTime).Seconds())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("trace of %s: %s", node, response.Status)
	}
	return readTimeline(response.Body)
}

// readTimeline evaluates an execution trace.
func readTimeline(from io.Reader) (*Timeline, error) {
	reader, err := trace.NewReader(from)
	if err != nil {
		return nil, err
	}
	m, s := newMarks(), newSchedules()
	for {
		event, err := reader.ReadEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch event.Kind() {
		case trace.EventLog:
			m.add(event)
		case trace.EventStateTransition:
			s.add(event)
		}
	}
	t := &Timeline{Steps: m.steps()}
	t.Messages = m.answered
	t.Counts, t.Woken = s.per(t.Messages)
	return t, nil
}

// marks are the times of the stages of each message.
type marks struct {
	reads    map[trace.GoID]trace.Time // the last Read of each goroutine
	messages map[string]map[timeline.Stage]trace.Time
	answered int
}

func newMarks() *marks {
	return &marks{reads: map[trace.GoID]trace.Time{}, messages: map[string]map[timeline.Stage]trace.Time{}}
}

func (m *marks) add(event trace.Event) {
	log := event.Log()
	if log.Category != timeline.Category {
		return
	}
	text, key, _ := strings.Cut(log.Message, " ")
	stage, now := timeline.Stage(text), event.Time()
	if stage == timeline.Read {
		m.reads[event.Goroutine()] = now
		return
	}
	at := m.messages[key]
	if at == nil {
		at = map[timeline.Stage]trace.Time{}
		m.messages[key] = at
	}
	switch stage {
	case timeline.Parsed:
		if read, ok := m.reads[event.Goroutine()]; ok {
			at[timeline.Read] = read
		}
	case timeline.Answered:
		m.answered++
	case timeline.Delivered:
		at[lastDelivered] = now
	}
	if _, before := at[stage]; !before || stage == timeline.Taken || stage == timeline.Append {
		at[stage] = now // of several attempts the last one counts
	}
}

// steps returns the steps that at least one message has taken.
func (m *marks) steps() (list []Step) {
	for _, s := range steps {
		var took []float64
		for _, at := range m.messages {
			from, began := at[s[0]]
			to, ended := at[s[1]]
			if began && ended {
				took = append(took, float64(to-from)/1000)
			}
		}
		if len(took) > 0 {
			slices.Sort(took)
			list = append(list, Step{string(s[0]), string(s[1]), took[len(took)/2], took[len(took)*99/100]})
		}
	}
	return list
}

// schedules counts what the scheduler of the node did.
type schedules struct {
	wakeups, begun, processors, syscalls int

	roots map[trace.GoID]string // the function that a goroutine began with
	woken map[trace.GoID]int
}

func newSchedules() *schedules {
	return &schedules{roots: map[trace.GoID]string{}, woken: map[trace.GoID]int{}}
}

func (s *schedules) add(event trace.Event) {
	change := event.StateTransition()
	switch change.Resource.Kind {
	case trace.ResourceProc:
		if from, to := change.Proc(); from == trace.ProcIdle && to == trace.ProcRunning {
			s.processors++
		}
	case trace.ResourceGoroutine:
		g := change.Resource.Goroutine()
		if root := rootOf(change.Stack); root != "" {
			s.roots[g] = root
		}
		switch from, to := change.Goroutine(); {
		case from == trace.GoWaiting && to == trace.GoRunnable:
			s.wakeups++
			s.woken[g]++
		case from == trace.GoNotExist && to == trace.GoRunnable:
			s.begun++
			s.woken[g]++
		case from == trace.GoRunning && to == trace.GoSyscall:
			s.syscalls++
		}
	}
}

// rootOf returns the outermost function of a stack.
func rootOf(stack trace.Stack) (name string) {
	for frame := range stack.Frames() {
		name = frame.Func
	}
	return name
}

// per divides the counts by a number of messages.
func (s *schedules) per(messages int) (counts, woken []Metric) {
	if messages == 0 {
		return nil, nil
	}
	share := func(n int) float64 { return float64(n) / float64(messages) }
	counts = []Metric{
		{"goroutines_woken", "", share(s.wakeups)},
		{"goroutines_begun", "", share(s.begun)},
		{"processors_started", "", share(s.processors)},
		{"system_calls", "", share(s.syscalls)},
	}
	byRoot := map[string]int{}
	for g, n := range s.woken {
		byRoot[cmp.Or(s.roots[g], "unknown")] += n
	}
	for _, root := range slices.Sorted(maps.Keys(byRoot)) {
		if n := share(byRoot[root]); n >= 0.05 {
			woken = append(woken, Metric{root, "", n})
		}
	}
	slices.SortStableFunc(woken, func(a, b Metric) int { return cmp.Compare(b.Value, a.Value) })
	return counts, woken
}

// write prints the time line below the tables.
func (t *Timeline) write(w io.Writer, title string) error {
	fmt.Fprintf(w, "\n%s: time line of %d messages in the node\n", title, t.Messages)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "from\tto\tp50 µs\tp99 µs\t")
	for _, s := range t.Steps {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t\n", s.From, s.To, number(s.P50), number(s.P99))
	}
	fmt.Fprintln(tab, "\nper message:\t\t\t\t")
	for _, m := range slices.Concat(t.Counts, t.Woken) {
		fmt.Fprintf(tab, "%s\t%.2f\t\t\t\n", m.Name, m.Value)
	}
	return tab.Flush()
}

// tracing takes a time line in the course of one run. A nil tracing takes none.
type tracing struct {
	node     string // URL of its profiles
	timeline *Timeline
	failed   error
	done     chan struct{}
}

// begin starts the trace and returns at once.
func (t *tracing) begin(ctx context.Context, d time.Duration) {
	if t == nil {
		return
	}
	t.done = make(chan struct{})
	go func() {
		defer close(t.done)
		t.timeline, t.failed = takeTimeline(ctx, t.node, d)
	}()
}

// finish waits for the time line.
func (t *tracing) finish() error {
	if t == nil || t.done == nil {
		return nil
	}
	<-t.done
	return t.failed
}
