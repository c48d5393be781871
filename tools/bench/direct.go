package bench

import (
	"context"
	"fmt"

	"im/domain"
)

// The cases of direct: much load, a message at a time each, and hardly any.
const (
	directPairs    = 100
	directFew      = 5
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

// presets are the cases, or the one that was asked for.
func presets(o Options) [][2]int {
	if o.Pairs == 0 && o.InFlight == 0 {
		return [][2]int{{directPairs, directInFlight}, {directPairs, 1}, {directFew, 1}}
	}
	return [][2]int{{orDefault(o.Pairs, directPairs), orDefault(o.InFlight, directInFlight)}}
}

// runPairs has pairs of users write to one another; with two nodes, each is on
// one of them.
func runPairs(ctx context.Context, r *run, nodes, pairs, inFlight int) ([]Metric, error) {
	socks, ids, err := connectPairs(ctx, r.people, nodes, pairs)
	defer closeAll(socks)
	if err != nil {
		return nil, err
	}
	l := newLoad(r.tag, 1)
	for i, sock := range socks {
		kind := [2]string{"a", "b"}[i%2]
		l.add(sock, string(r.people.user(kind, i/2)), ids[i/2], inFlight)
	}
	return r.drive(ctx, l, counted{l.pairMetrics, l.ackedIn.Load, "msg"})
}

// connectPairs returns the sockets of pairs, two by two, and their conversations.
func connectPairs(ctx context.Context, p *people, nodes, pairs int) (socks []*socket, ids []string, err error) {
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
