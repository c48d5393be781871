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

// Report is all that was measured.
type Report struct {
	At       time.Time `json:"at"`
	Machine  Machine   `json:"machine"`
	Place    string    `json:"place"` // "dev", "serve" or the URLs
	Warmup   float64   `json:"warmup_s"`
	Duration float64   `json:"duration_s"`
	Rate     float64   `json:"rate,omitempty"` // of an open loop
	Results  []Result  `json:"results"`
}

// Machine is where the load ran.
type Machine struct {
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Go   string `json:"go"`
}

// Result is one case of a work.
type Result struct {
	Work    string     `json:"work"`
	Case    string     `json:"case"`
	Runs    [][]Metric `json:"runs"`
	Median  []Metric   `json:"median"`
	OfLimit float64    `json:"of_limit,omitempty"` // appends as a share of the best of limit

	appends string // the metric that says how many
}

// run is one run of a case.
type run struct {
	Options
	cluster *cluster
	people  *people
	tag     string
	profile *profile // nil: none is wanted
}

// Measure runs what o asks for. What was measured until an error is returned
// with it.
func Measure(ctx context.Context, o Options) (report Report, failed error) {
	report = Report{
		At:       time.Now().UTC().Truncate(time.Second),
		Machine:  Machine{runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()},
		Place:    o.Place.name(),
		Warmup:   o.Warmup.Seconds(),
		Duration: o.Duration.Seconds(),
		Rate:     o.Rate,
	}
	chosen, err := choose(o.Works)
	if err != nil {
		return report, err
	}
	if err := allowFiles(o.sockets(chosen)); err != nil {
		return report, err
	}
	b := &bench{Options: o}
	defer func() { failed = errors.Join(failed, b.leave()) }()
	for _, w := range chosen {
		if err = errors.Join(b.work(ctx, w, &report), b.leave()); err != nil {
			break
		}
	}
	shareOfLimit(report.Results)
	return report, err
}

func (p Place) name() string {
	switch {
	case len(p.URLs) > 0:
		return strings.Join(p.URLs, " ")
	case p.Serve:
		return "serve"
	default:
		return "dev"
	}
}

// bench keeps a cluster over the cases of a work that need as many nodes.
type bench struct {
	Options
	cluster *cluster
	nodes   int
}

func (b *bench) enter(ctx context.Context, nodes int) error {
	if b.cluster != nil && b.nodes == nodes {
		return nil
	}
	if err := b.leave(); err != nil {
		return err
	}
	c, err := b.Place.open(ctx, nodes, b.Profile != "", b.say)
	if err != nil {
		return err // it has been closed
	}
	b.cluster, b.nodes = c, nodes
	return nil
}

func (b *bench) leave() error {
	if b.cluster == nil {
		return nil
	}
	c := b.cluster
	b.cluster = nil
	return c.close()
}

// work runs the cases of a work; what was measured before an error stays.
func (b *bench) work(ctx context.Context, w work, report *Report) error {
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
		compare(&report.Results[len(report.Results)-1], report.Results[first], s.against)
	}
	return nil
}

// compare adds the ratios of some medians to those of the first case.
func compare(result *Result, first Result, metrics []string) {
	for _, name := range metrics {
		mine, ok := find(result.Median, name)
		its, too := find(first.Median, name)
		if ok && too && its > 0 {
			result.Median = append(result.Median, Metric{name + "_ratio", "", mine / its})
		}
	}
}

func (b *bench) scenario(ctx context.Context, w work, s scenario) (Result, error) {
	result := Result{Work: w.name, Case: s.label, appends: s.appends}
	for i := range b.Runs {
		if err := b.enter(ctx, s.nodes); err != nil {
			return result, err
		}
		b.say("%s, %s: run %d of %d", w.name, s.label, i+1, b.Runs)
		r := &run{Options: b.Options, cluster: b.cluster, tag: newTag()}
		if b.Profile != "" && i == 0 {
			r.profile = newProfile(b.Profile, w.name+" "+s.label, b.cluster.debug)
		}
		metrics, err := b.once(ctx, s, r)
		if err != nil {
			return result, err
		}
		b.say("  %s", oneLine(metrics))
		result.Runs = append(result.Runs, metrics)
	}
	result.Median = medians(result.Runs)
	return result, nil
}

func (b *bench) once(ctx context.Context, s scenario, r *run) ([]Metric, error) {
	r.people = newPeople(r.cluster, r.tag)
	defer r.people.close()
	metrics, err := s.run(ctx, r)
	if err == nil {
		err = r.profile.finish()
	}
	return metrics, err
}

func (o Options) say(format string, args ...any) {
	fmt.Fprintf(o.Progress, format+"\n", args...)
}

// newTag tells the users and messages of one run from those of all others.
func newTag() string { return strings.ToLower(rand.Text()[:tagChars]) }

// shareOfLimit tells appends as a share of the best that PostgreSQL alone took.
func shareOfLimit(results []Result) {
	limit := 0.0
	for _, r := range results {
		if rate, ok := find(r.Median, limitMetric); ok && r.Work == "limit" {
			limit = max(limit, rate)
		}
	}
	for i, r := range results {
		if rate, ok := find(r.Median, r.appends); ok && limit > 0 {
			results[i].OfLimit = rate / limit
		}
	}
}
