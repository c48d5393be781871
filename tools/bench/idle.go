package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	idleSockets = 5_000
	idleWarmup  = 200 // sockets that come and go before
	// idleRests is after what a node that had nothing to do has given back what
	// it no longer needs: two intervals of its own looking, and some.
	idleRests   = 12 * time.Second
	idlePings   = 26 * time.Second // and every socket was pinged, and has answered
	idleSettles = 8 * time.Second  // at most, for its memory to stay as it is after that
	idleLooks   = time.Second
)

func idleCases(o Options) []scenario {
	sockets := orDefault(o.Sockets, idleSockets)
	return []scenario{{
		label: fmt.Sprintf("%d sockets", sockets), nodes: 1,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runIdle(ctx, r, sockets) },
	}}
}

// runIdle connects so many users, one session each, and looks at the memory of
// the nodes before and after, each time when it has settled. The difference
// counts all that a socket costs the process, but not the kernel's buffers. What
// the first sockets of a node cost it once (connections to the services, the
// program's own pages) was spent on others before.
func runIdle(ctx context.Context, r *run, sockets int) ([]Metric, error) {
	users := r.people.users("i", sockets)
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
	before, err := settled(ctx, server, idleRests)
	if err != nil {
		return nil, err
	}
	r.profile.begin(idleLooks)
	used, began := r.cluster.parts.usage(), time.Now()
	err = each(ctx, sockets, connect)
	took, connected := time.Since(began), r.cluster.parts.usage()
	if err != nil {
		return nil, err
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	defer closeAll(socks) // the first of both
	for _, s := range socks {
		answering.Go(func() { s.answerPings() })
	}
	after, err := settled(ctx, server, idlePings+idleRests)
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

// answerPings reads until the socket is closed.
func (s *socket) answerPings() {
	for {
		if _, err := s.read(); err != nil {
			return
		}
	}
}

// settled returns the resident memory of processes, in KiB, when they have
// rested and it has stayed within 1% for a look.
func settled(ctx context.Context, pids []int, rest time.Duration) (kib int64, err error) {
	clock := newClock()
	for at := rest; ; at += idleLooks {
		if err := clock.sleepUntil(ctx, int64(at)); err != nil {
			return 0, err
		}
		before := kib
		kib = resident(pids)
		if at >= rest+idleSettles || max(before-kib, kib-before) <= kib/100 {
			return kib, nil
		}
	}
}
