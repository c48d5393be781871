package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
)

// Report is the result of Measure.
type Report struct {
	At       time.Time `json:"at"`
	Machine  Machine   `json:"machine"`
	Target   string    `json:"place"` // "dev", "serve" or the URLs
	Warmup   float64   `json:"warmup_s"`
	Duration float64   `json:"duration_s"`
	Rate     float64   `json:"rate,omitempty"` // messages a second of an open loop
	Results  []Result  `json:"results"`
}

// Machine describes the machine that the load ran on.
type Machine struct {
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Go   string `json:"go"`
}

// Result is one case of a workload.
type Result struct {
	Workload string     `json:"work"`
	Case     string     `json:"case"`
	Runs     [][]Metric `json:"runs"`
	Median   []Metric   `json:"median"`
	OfLimit  float64    `json:"of_limit,omitempty"` // appends, as a share of the best case of limit
	Timeline *Timeline  `json:"timeline,omitempty"` // of the first run, if it was asked for

	appends string // the metric that counts appends
}

// run is one run of a case.
type run struct {
	Options
	cluster *cluster
	fixture *fixture
	tag     string
	profile *profile // nil without profiles
	tracing *tracing // nil without a time line
}

// Measure runs the workloads of o. With an error it also returns the results so far.
func Measure(ctx context.Context, o Options) (report Report, failed error) {
	report = Report{
		At:       time.Now().UTC().Truncate(time.Second),
		Machine:  Machine{runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()},
		Target:   o.Target.name(),
		Warmup:   o.Warmup.Seconds(),
		Duration: o.Duration.Seconds(),
		Rate:     o.Rate,
	}
	chosen, err := choose(o.Workloads)
	if err != nil {
		return report, err
	}
	if err := allowFiles(o.sockets(chosen)); err != nil {
		return report, err
	}
	if err := o.Peers.check(ctx); err != nil {
		return report, err
	}
	b := &bench{Options: o}
	defer func() { failed = errors.Join(failed, b.leave()) }()
	for _, w := range chosen {
		if err = errors.Join(b.measure(ctx, w, &report), b.leave()); err != nil {
			break
		}
	}
	shareOfLimit(report.Results)
	return report, err
}

func (t Target) name() string {
	switch {
	case len(t.URLs) > 0:
		return strings.Join(t.URLs, " ")
	case t.Serve:
		return "serve"
	default:
		return "dev"
	}
}

// bench keeps a cluster for the cases of a workload that need the same number of nodes.
type bench struct {
	Options
	cluster *cluster
	nodes   int
}

// enter opens a cluster of a number of nodes, unless it is open already.
func (b *bench) enter(ctx context.Context, nodes int) error {
	if b.cluster != nil && b.nodes == nodes {
		return nil
	}
	if err := b.leave(); err != nil {
		return err
	}
	c, err := b.Target.open(ctx, nodes, b.Profile != "" || b.Timeline, b.say)
	if err != nil {
		return err // open has closed it
	}
	b.cluster, b.nodes = c, nodes
	return nil
}

// leave closes the cluster, if there is one.
func (b *bench) leave() error {
	if b.cluster == nil {
		return nil
	}
	c := b.cluster
	b.cluster = nil
	return c.close()
}

// measure runs the cases of a workload. Results from before an error stay in the report.
func (b *bench) measure(ctx context.Context, w workload, report *Report) error {
	first := len(report.Results)
	for _, s := range w.cases(b.Options) {
		result, err := b.scenario(ctx, w, s)
		if s.close != nil {
			err = errors.Join(err, s.close())
		}
		if err != nil {
			return fmt.Errorf("%s, %s: %w", w.name, s.label, err)
		}
		report.Results = append(report.Results, result)
		last := &report.Results[len(report.Results)-1]
		compare(last, report.Results[first], s.against)
		for _, other := range report.Results[first:] {
			if other.Case == s.oursIs {
				ratios(last, other)
			}
		}
	}
	return nil
}

// compare adds the ratios of some medians to those of the first case of the workload.
func compare(result *Result, first Result, metrics []string) {
	for _, name := range metrics {
		mine, ok := find(result.Median, name)
		base, has := find(first.Median, name)
		if ok && has && base > 0 {
			result.Median = append(result.Median, Metric{name + "_ratio", "", mine / base})
		}
	}
}

// scenario runs one case as often as Options.Runs says.
func (b *bench) scenario(ctx context.Context, w workload, s scenario) (Result, error) {
	result := Result{Workload: w.name, Case: s.label, appends: s.appends}
	for i := range b.Runs {
		if err := b.enter(ctx, s.nodes); err != nil {
			return result, err
		}
		b.say("%s, %s: run %d of %d", w.name, s.label, i+1, b.Runs)
		r := &run{Options: b.Options, cluster: b.cluster, tag: newTag()}
		if b.Profile != "" && i == 0 {
			r.profile = newProfile(b.Profile, w.name+" "+s.label, b.cluster.debug)
		}
		if b.Timeline && i == 0 && len(b.cluster.debug) > 0 {
			r.tracing = &tracing{node: b.cluster.debug[0]}
		}
		metrics, err := b.once(ctx, s, r)
		if err != nil {
			return result, err
		}
		if r.tracing != nil {
			result.Timeline = r.tracing.timeline
		}
		b.say("  %s", oneLine(metrics))
		result.Runs = append(result.Runs, metrics)
	}
	result.Median = medians(result.Runs)
	return result, nil
}

func (b *bench) once(ctx context.Context, s scenario, r *run) ([]Metric, error) {
	r.fixture = newFixture(r.cluster, r.tag)
	defer r.fixture.close()
	metrics, err := s.run(ctx, r)
	if err == nil {
		err = errors.Join(r.profile.finish(), r.tracing.finish())
	}
	return metrics, err
}

func (o Options) say(format string, args ...any) {
	fmt.Fprintf(o.Progress, format+"\n", args...)
}

// newTag returns a prefix that only the users and messages of one run have.
func newTag() string { return strings.ToLower(rand.Text()[:tagChars]) }

// shareOfLimit expresses appends as a share of the best case of limit: the most that
// PostgreSQL alone achieved.
func shareOfLimit(results []Result) {
	limit := 0.0
	for _, r := range results {
		if rate, ok := find(r.Median, limitMetric); ok && r.Workload == "limit" {
			limit = max(limit, rate)
		}
	}
	for i, r := range results {
		if rate, ok := find(r.Median, r.appends); ok && limit > 0 {
			results[i].OfLimit = rate / limit
		}
	}
}
