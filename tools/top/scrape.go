package top

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// maxBody is the most bytes of metrics that are read of a node.
const maxBody = 16 << 20

// scrapeTimeout bounds the reading of one node.
const scrapeTimeout = 5 * time.Second

// Client returns a client for the address for operators at base. The certificate of a node
// is for the name that clients use; at a loopback address, which no other machine can take,
// it is not verified.
func Client(base string) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if u, err := url.Parse(base); err == nil {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// scrape is one reading of a node.
type scrape struct {
	at       time.Time
	families map[string]*dto.MetricFamily
	err      error
}

// scrapeAll reads all nodes at the same time.
func scrapeAll(ctx context.Context, urls []string) []scrape {
	scrapes := make([]scrape, len(urls))
	var reading sync.WaitGroup
	for i, base := range urls {
		reading.Go(func() { scrapes[i] = scrapeNode(ctx, base) })
	}
	reading.Wait()
	return scrapes
}

func scrapeNode(ctx context.Context, base string) scrape {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	s := scrape{at: time.Now()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", http.NoBody)
	if err != nil {
		s.err = err
		return s
	}
	response, err := Client(base).Do(request)
	if err != nil {
		s.err = err
		return s
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		s.err = fmt.Errorf("%s/metrics answers %s", base, response.Status)
		return s
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	s.families, s.err = parser.TextToMetricFamilies(http.MaxBytesReader(nil, response.Body, maxBody))
	if s.err == nil && s.families["im_serving"] == nil {
		s.err = fmt.Errorf("%s is not the address for operators of a node", base)
	}
	return s
}

// labels are pairs of name and value that a metric must have.
type labels []string

func (l labels) match(m *dto.Metric) bool {
	for i := 0; i < len(l); i += 2 {
		if !slices.ContainsFunc(m.GetLabel(), func(p *dto.LabelPair) bool { return p.GetName() == l[i] && p.GetValue() == l[i+1] }) {
			return false
		}
	}
	return true
}

// sum adds the values of a counter or gauge over its children with the labels.
func (s scrape) sum(name string, with ...string) (sum float64) {
	for _, m := range s.families[name].GetMetric() {
		if labels(with).match(m) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// largest returns the largest value of a gauge over its children.
func (s scrape) largest(name string) (largest float64) {
	for _, m := range s.families[name].GetMetric() {
		largest = max(largest, m.GetGauge().GetValue())
	}
	return largest
}

// label returns the value of a label of the only child of a metric.
func (s scrape) label(name, label string) string {
	for _, m := range s.families[name].GetMetric() {
		for _, p := range m.GetLabel() {
			if p.GetName() == label {
				return p.GetValue()
			}
		}
	}
	return ""
}

// histogram is a number of observations by their upper bound.
type histogram map[float64]float64

// histogram adds the observations of a histogram over its children with the labels.
func (s scrape) histogram(name string, with ...string) histogram {
	h := histogram{}
	for _, m := range s.families[name].GetMetric() {
		if !labels(with).match(m) {
			continue
		}
		below := 0.0
		for _, b := range m.GetHistogram().GetBucket() {
			h[b.GetUpperBound()] += float64(b.GetCumulativeCount()) - below
			below = float64(b.GetCumulativeCount())
		}
		if all := float64(m.GetHistogram().GetSampleCount()); all > below {
			h[math.Inf(1)] += all - below
		}
	}
	return h
}

// since returns what was observed after before. A node that has restarted begins at 0.
func (h histogram) since(before histogram) histogram {
	d := histogram{}
	for bound, n := range h {
		if n < before[bound] {
			return h
		}
		d[bound] = n - before[bound]
	}
	return d
}

func (h histogram) add(other histogram) {
	for bound, n := range other {
		h[bound] += n
	}
}

// quantile estimates a quantile, as histogram_quantile of Prometheus does; nil if nothing
// was observed.
func (h histogram) quantile(q float64) *float64 {
	bounds := make([]float64, 0, len(h))
	total := 0.0
	for bound, n := range h {
		bounds = append(bounds, bound)
		total += n
	}
	if total == 0 {
		return nil
	}
	slices.Sort(bounds)
	rank, below, lower := q*total, 0.0, 0.0
	for _, bound := range bounds {
		n := h[bound]
		if n > 0 && below+n >= rank {
			if math.IsInf(bound, 1) {
				return &lower // it is at least that
			}
			value := lower + (bound-lower)*(rank-below)/n
			return &value
		}
		below, lower = below+n, bound
	}
	return &lower
}

// rate returns how much a counter has grown in a second.
func rate(before, now scrape, name string, with ...string) float64 {
	from, to := before.sum(name, with...), now.sum(name, with...)
	if to < from {
		from = 0 // the node has restarted
	}
	seconds := now.at.Sub(before.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return (to - from) / seconds
}

// nameOf shortens the URL of a node.
func nameOf(base string) string {
	_, rest, found := strings.Cut(base, "://")
	if !found {
		return base
	}
	return rest
}
