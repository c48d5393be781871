package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"im/domain"
)

// Peers are running servers of other projects, for the workload compare.
type Peers struct {
	TinodeURL, TinodeKey            string
	CentrifugoURL, CentrifugoSecret string
}

// ErrNoPeer is the error of the workload compare without a peer.
var ErrNoPeer = errors.New("compare needs a running peer: --tinode-url, --centrifugo-url or both")

// peer is a running server of another project.
type peer interface {
	protocol
	name() string
	processes() map[string]string // the names of its processes, by part
	usesPostgres() bool
	// connect opens a session, for a user that it may create. It returns the id that
	// events have as their sender.
	connect(ctx context.Context, user domain.UserID) (*socket, string, error)
	// pair opens a conversation of two users, and returns its name for each of them.
	pair(socks [2]*socket, users [2]string, name string) ([2]string, error)
	// group opens a conversation of all users.
	group(ctx context.Context, socks []*socket, name string) (string, error)
}

func (p Peers) list() (list []peer) {
	if p.TinodeURL != "" {
		list = append(list, tinode{p.TinodeURL, p.TinodeKey})
	}
	if p.CentrifugoURL != "" {
		list = append(list, centrifugo{p.CentrifugoURL, p.CentrifugoSecret})
	}
	return list
}

// check opens a session on each peer, so that a wrong URL or key shows before anything is
// measured.
func (p Peers) check(ctx context.Context) error {
	for _, one := range p.list() {
		s, _, err := one.connect(ctx, domain.UserID("bench-"+newTag()))
		if err != nil {
			return fmt.Errorf("%s: %w", one.name(), err)
		}
		s.close()
	}
	return nil
}

// compared are the metrics whose ratios are reported: ours to that of the peer.
var compared = []string{"acked", "deliveries", "end_p50", "end_p99", "server_cpu", "postgres_cpu"}

// compareCases are the cases of direct and group, each here and on every peer in turn, so
// that all of them are measured within minutes.
func compareCases(o Options) (cases []scenario) {
	for _, preset := range presets(o) {
		pairs, inFlight := preset[0], preset[1]
		label := fmt.Sprintf("%d pairs × %d", pairs, inFlight)
		cases = append(cases, scenario{
			label: label + ", im", nodes: 1,
			run: func(ctx context.Context, r *run) ([]Metric, error) { return runPairs(ctx, r, 1, pairs, inFlight) },
		})
		for _, p := range o.Peers.list() {
			cases = append(cases, scenario{
				label: label + ", " + p.name(), nodes: 1, oursIs: label + ", im",
				run: func(ctx context.Context, r *run) ([]Metric, error) { return runPeerPairs(ctx, r, p, pairs, inFlight) },
			})
		}
	}
	members, inFlight := cmp.Or(o.Members, groupMembers), cmp.Or(o.InFlight, groupInFlight)
	label := fmt.Sprintf("group of %d × %d", members, inFlight)
	cases = append(cases, scenario{
		label: label + ", im", nodes: 1,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runGroup(ctx, r, members, inFlight) },
	})
	for _, p := range o.Peers.list() {
		cases = append(cases, scenario{
			label: label + ", " + p.name(), nodes: 1, oursIs: label + ", im",
			run: func(ctx context.Context, r *run) ([]Metric, error) { return runPeerGroup(ctx, r, p, members, inFlight) },
		})
	}
	return cases
}

// ratios adds the ratios of our medians to those of a peer.
func ratios(theirs *Result, ours Result) {
	for _, name := range compared {
		mine, ok := find(ours.Median, name)
		peers, has := find(theirs.Median, name)
		if ok && has && peers > 0 {
			theirs.Median = append(theirs.Median, Metric{"im/peer_" + name, "", mine / peers})
		}
	}
}

// runPeerPairs is runPairs on a peer.
func runPeerPairs(ctx context.Context, r *run, p peer, pairs, inFlight int) ([]Metric, error) {
	socks, users, err := connectPeer(ctx, r, p, 2*pairs)
	defer closeAll(socks)
	if err != nil {
		return nil, err
	}
	l := newLoad(r.tag, 1)
	l.protocol = p
	topics := make([][2]string, pairs)
	err = each(ctx, pairs, func(_ context.Context, i int) (err error) {
		topics[i], err = p.pair([2]*socket{socks[2*i], socks[2*i+1]}, [2]string{users[2*i], users[2*i+1]}, fmt.Sprintf("%s-%d", r.tag, i))
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, sock := range socks {
		l.add(sock, users[i], topics[i/2][i%2], inFlight)
	}
	return r.onPeer(p).drive(ctx, l, loadMetrics{l.pairMetrics, l.ackedIn.Load, "msg"})
}

// runPeerGroup is runGroup on a peer.
func runPeerGroup(ctx context.Context, r *run, p peer, members, inFlight int) ([]Metric, error) {
	socks, users, err := connectPeer(ctx, r, p, members)
	defer closeAll(socks)
	if err != nil {
		return nil, err
	}
	topic, err := p.group(ctx, socks, r.tag)
	if err != nil {
		return nil, err
	}
	l := newLoad(r.tag, members-1)
	l.protocol = p
	for i, sock := range socks {
		if i > 0 {
			inFlight = 0
		}
		l.add(sock, users[i], topic, inFlight)
	}
	return r.onPeer(p).drive(ctx, l, loadMetrics{l.groupMetrics, l.deliveries, "event"})
}

// connectPeer connects n new users. After an error, the caller closes the sockets that are
// not nil.
func connectPeer(ctx context.Context, r *run, p peer, n int) (socks []*socket, users []string, err error) {
	socks, users = make([]*socket, n), make([]string, n)
	err = each(ctx, n, func(ctx context.Context, i int) (err error) {
		socks[i], users[i], err = p.connect(ctx, r.fixture.user("p", i))
		if err != nil {
			err = fmt.Errorf("%s: %w", p.name(), err)
		}
		return err
	})
	return socks, users, err
}

// onPeer returns the run with the processes of a peer in the place of our own.
func (r *run) onPeer(p peer) *run {
	parts := processes{}
	for part, name := range p.processes() {
		if pids := named(name); len(pids) > 0 {
			parts[part] = pids
		}
	}
	if pids, ok := r.cluster.parts[partPostgres]; ok && p.usesPostgres() {
		parts[partPostgres] = pids
	}
	one := *r
	one.cluster = &cluster{parts: parts}
	one.profile, one.tracing = nil, nil
	return &one
}
