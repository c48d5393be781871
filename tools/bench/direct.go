package bench

import (
	"cmp"
	"context"
	"fmt"

	"im/domain"
)

// The cases of the workload direct combine these: many pairs with many messages in
// flight (high load), many pairs with one, and few pairs with one (low load).
const (
	directPairs    = 100
	directFew      = 5 // pairs at low load
	directInFlight = 16
)

func directCases(o Options) (cases []scenario) {
	for _, preset := range presets(o) {
		pairs, inFlight := preset[0], preset[1]
		cases = append(cases, scenario{
			label: fmt.Sprintf("%d pairs × %d in flight", pairs, inFlight), nodes: 1, appends: "acked",
			run: func(ctx context.Context, r *run) ([]Metric, error) { return runPairs(ctx, r, 1, pairs, inFlight) },
		})
	}
	return cases
}

// presets returns {pairs, messages in flight of each user} for each case. Options that
// set either of them make one case of their own.
func presets(o Options) [][2]int {
	if o.Pairs == 0 && o.InFlight == 0 {
		return [][2]int{{directPairs, directInFlight}, {directPairs, 1}, {directFew, 1}}
	}
	return [][2]int{{cmp.Or(o.Pairs, directPairs), cmp.Or(o.InFlight, directInFlight)}}
}

// runPairs measures pairs of users who write to one another. With two nodes the users
// of each pair are on different nodes.
func runPairs(ctx context.Context, r *run, nodes, pairs, inFlight int) ([]Metric, error) {
	socks, ids, err := connectPairs(ctx, r.fixture, nodes, pairs)
	defer closeAll(socks)
	if err != nil {
		return nil, err
	}
	l := newLoad(r.tag, 1)
	for i, sock := range socks {
		kind := [2]string{"a", "b"}[i%2]
		l.add(sock, string(r.fixture.user(kind, i/2)), ids[i/2], inFlight)
	}
	return r.drive(ctx, l, loadMetrics{l.pairMetrics, l.ackedIn.Load, "msg"})
}

// connectPairs connects pairs of users. Pair i has the sockets 2i and 2i+1, and the
// conversation ids[i]. After an error, the caller closes the sockets that are not nil.
func connectPairs(ctx context.Context, p *fixture, nodes, pairs int) (socks []*socket, ids []string, err error) {
	socks, ids = make([]*socket, 2*pairs), make([]string, pairs)
	err = each(ctx, pairs, func(ctx context.Context, i int) (err error) {
		a, b := p.user("a", i), p.user("b", i)
		if ids[i], err = p.create(ctx, a, domain.Direct, b); err != nil {
			return err
		}
		if socks[2*i], err = p.connect(ctx, a, 0); err != nil {
			return err
		}
		socks[2*i+1], err = p.connect(ctx, b, nodes-1)
		return err
	})
	return socks, ids, err
}

func closeAll(socks []*socket) {
	for _, s := range socks {
		if s != nil {
			s.close()
		}
	}
}

func (l *load) pairMetrics(seconds float64) []Metric {
	rates := []Metric{
		{"acked", "msg/s", float64(l.ackedIn.Load()) / seconds},
		{"received", "msg/s", float64(l.receivedIn.Load()) / seconds},
	}
	rates = append(rates, l.ends.percentiles("end", 50, 99)...)
	return append(rates, l.acks.percentiles("ack", 50, 99)...)
}
