package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"im/domain"
	"im/internal/app"
	"im/internal/auth"
	"im/internal/settings"
)

// Status says how a check ended.
type Status string

const (
	// OK means that there is nothing to do.
	OK Status = "ok"
	// Skipped means that a check could not be made, or does not apply.
	Skipped Status = "skipped"
	// Warning means that the cluster works, and something should be changed.
	Warning Status = "warning"
	// Failure means that the cluster does not work, or loses what it accepted.
	Failure Status = "failure"
)

// Finding is the outcome of a check.
type Finding struct {
	Area   string `json:"area"`  // settings, postgresql, redis, rabbitmq, clocks, tokens, hook, events, edge, attachments, push
	Check  string `json:"check"` // what was checked
	Status Status `json:"status"`
	Saw    string `json:"saw"`
	Why    string `json:"why,omitempty"` // it matters
	Do     string `json:"do,omitempty"`
}

// Options are what to examine: the settings of a node, and where clients reach it.
type Options struct {
	Node app.Options
	// Nodes is the number of nodes that the cluster should have; those that are registered
	// if it is 0.
	Nodes int
	// URL is the address for clients; Node.Edge.PublicURL if empty. Without both, the
	// address is not examined.
	URL string
	// Token is a token of any user. If it is empty, one is signed with the secret.
	Token string
	// Heartbeats is how many heartbeats a WebSocket at URL must live.
	Heartbeats int
	// LongTransaction is the length from which a transaction is a warning; 5 minutes if 0.
	LongTransaction time.Duration
	// Client makes requests to URL; http.DefaultClient if nil.
	Client *http.Client
}

// Report is the outcome of all checks.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Status returns the worst status of a report: OK, Warning or Failure.
func (r Report) Status() Status {
	worst := OK
	for _, f := range r.Findings {
		if f.Status == Failure || f.Status == Warning && worst == OK {
			worst = f.Status
		}
	}
	return worst
}

// Run makes all checks, those of different areas at the same time.
func Run(ctx context.Context, o Options) Report {
	d := &doctor{o: o, clocks: map[string]clock{}}
	if o.Client == nil {
		d.o.Client = http.DefaultClient
	}
	d.settings()
	var running sync.WaitGroup
	running.Go(func() { d.services(ctx) })
	running.Go(func() { d.tokens(ctx) })
	running.Go(func() { d.hook(ctx) })
	running.Go(func() { d.events(ctx) })
	running.Go(func() { d.edge(ctx) })
	running.Go(func() { d.attachments(ctx) })
	running.Go(func() { d.push(ctx) })
	running.Wait()
	slices.SortStableFunc(d.findings, func(a, b Finding) int { return slices.Index(areas, a.Area) - slices.Index(areas, b.Area) })
	return Report{d.findings}
}

var areas = []string{"settings", "postgresql", "redis", "rabbitmq", "clocks", "tokens", "hook", "events", "edge", "attachments", "push"}

// doctor is one run.
type doctor struct {
	o Options

	mu       sync.Mutex
	findings []Finding
	clocks   map[string]clock
}

// clock is how far a clock is ahead of the one of this machine.
type clock struct{ ahead, uncertainty time.Duration }

func (d *doctor) add(f Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.Saw = settings.Redact(f.Saw)
	if f.Status == OK {
		f.Why, f.Do = "", ""
	}
	d.findings = append(d.findings, f)
}

// verdict returns bad unless good.
func verdict(good bool, bad Status) Status {
	if good {
		return OK
	}
	return bad
}

// services examines Redis first, which knows the nodes of the cluster.
func (d *doctor) services(ctx context.Context) {
	live, ended, known := d.redis(ctx)
	var running sync.WaitGroup
	running.Go(func() { d.postgresql(ctx, len(live), known) })
	running.Go(func() { d.rabbitmq(ctx, live, ended) })
	running.Wait()
	d.compareClocks()
}

// settings repeats what a node checks of its settings.
func (d *doctor) settings() {
	err := app.Check(d.o.Node)
	f := Finding{Area: "settings", Check: "valid", Status: OK, Saw: "all settings are valid", Why: "a node would not start"}
	if err != nil {
		f.Status, f.Saw, f.Do = Failure, strings.ReplaceAll(err.Error(), "\n", "; "), "change the settings that are named; im config check lists them with their places"
	}
	d.add(f)
}

const (
	skewWarning = time.Second
	skewFailure = auth.Leeway // tokens are refused that another machine has just signed
)

func (d *doctor) compareClocks() {
	for _, name := range []string{"PostgreSQL", "Redis"} {
		c, ok := d.clocks[name]
		if !ok {
			continue
		}
		skew := max(c.ahead.Abs()-c.uncertainty, 0)
		status := OK
		switch {
		case skew >= skewFailure:
			status = Failure
		case skew >= skewWarning:
			status = Warning
		}
		d.add(Finding{
			Area: "clocks", Check: "this machine and " + name, Status: status,
			Saw: fmt.Sprintf("the clock of %s is %s ahead of the one of this machine, give or take %s",
				name, c.ahead.Round(time.Millisecond), c.uncertainty.Round(time.Millisecond)),
			Why: "tokens expire, revocations apply and times are shown by these clocks; tokens allow 30 s",
			Do:  "synchronize the clocks of all machines (chrony, systemd-timesyncd)",
		})
	}
}

func (d *doctor) setClock(name string, c clock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clocks[name] = c
}

// names lists ids for people.
func names(ids []domain.NodeID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, ", ")
}

// oneLine returns the cause of an error in one line.
func oneLine(err error) string { return strings.ReplaceAll(app.Cause(err).Error(), "\n", " ") }
