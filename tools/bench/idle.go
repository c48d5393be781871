package bench

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	idleSockets = 5_000
	idleWarmup  = 200 // sockets that connect and close before the measurement
	// idleSettleDelay is how long an idle node takes to return unused memory: two
	// intervals in which it looks at its load, and a margin.
	idleSettleDelay   = 12 * time.Second
	idlePingDelay     = 26 * time.Second // within which each socket was pinged
	idleSettleTimeout = 8 * time.Second  // for the memory to become stable after the delay
	idleInterval      = time.Second
	idleProfile       = 3 * time.Second // about as long as the sockets take to connect
)

func idleCases(o Options) []scenario {
	sockets := cmp.Or(o.Sockets, idleSockets)
	return []scenario{{
		label: fmt.Sprintf("%d sockets", sockets), nodes: 1,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runIdle(ctx, r, sockets) },
	}}
}

// runIdle connects users with one session each. It compares the memory of the nodes
// before and after, each time when it is stable. The difference includes all that a
// socket costs the process, but not the buffers of the kernel. The costs of the first
// sockets of a node (connections to the services, pages of the program) are not in it:
// other sockets connected and closed before.
func runIdle(ctx context.Context, r *run, sockets int) ([]Metric, error) {
	users := r.fixture.users("i", sockets)
	tokens := make([]string, sockets)
	if err := each(ctx, sockets, func(ctx context.Context, i int) (err error) {
		tokens[i], err = r.cluster.token(ctx, users[i])
		return err
	}); err != nil {
		return nil, err
	}
	socks := make([]*socket, sockets)
	defer closeAll(socks)
	connect := func(ctx context.Context, i int) (err error) {
		socks[i], err = dial(ctx, r.cluster.urls[0], tokens[i], device)
		return err
	}
	warm := min(sockets, idleWarmup)
	if err := each(ctx, warm, connect); err != nil {
		return nil, err
	}
	closeAll(socks[:warm])
	server := r.cluster.parts[partServer]
	before, err := settledMemory(ctx, server, idleSettleDelay)
	if err != nil {
		return nil, err
	}
	r.profile.begin(idleProfile)
	used, began := r.cluster.parts.usage(), time.Now()
	err = each(ctx, sockets, connect)
	took, connected := time.Since(began), r.cluster.parts.usage()
	if err != nil {
		return nil, err
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	defer closeAll(socks) // runs before Wait, and ends it
	for _, s := range socks {
		answering.Go(func() { s.answerPings() })
	}
	after, err := settledMemory(ctx, server, idlePingDelay+idleSettleDelay)
	if err != nil {
		return nil, err
	}
	metrics := []Metric{{"connect_all", "s", took.Seconds()}, {"connect", "socket/s", float64(sockets) / took.Seconds()}}
	metrics = append(metrics, connected.per(used, int64(sockets), "socket")...)
	if len(server) > 0 {
		metrics = append(metrics, Metric{"server_memory", "KiB/socket", float64(after-before) / float64(sockets)})
	}
	return metrics, nil
}

// answerPings reads, and so answers pings, until the socket is closed.
func (s *socket) answerPings() {
	for {
		if _, err := s.read(); err != nil {
			return
		}
	}
}

// settledMemory waits for delay, and then until the resident memory of processes has
// changed by at most 1 % within idleInterval. It returns the memory in KiB.
func settledMemory(ctx context.Context, pids []int, delay time.Duration) (kib int64, err error) {
	clock := newClock()
	for at := delay; ; at += idleInterval {
		if err := clock.sleepUntil(ctx, int64(at)); err != nil {
			return 0, err
		}
		before := kib
		kib = resident(pids)
		if at >= delay+idleSettleTimeout || max(before-kib, kib-before) <= kib/100 {
			return kib, nil
		}
	}
}
