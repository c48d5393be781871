package bench

import (
	"context"
	"fmt"
	"time"
)

const (
	idleSockets = 5_000
	idleSettles = 2 * time.Second // what the setting up leaves behind is collected, mostly
)

func idleCases(o Options) []scenario {
	sockets := orDefault(o.Sockets, idleSockets)
	return []scenario{{
		label: fmt.Sprintf("%d sockets", sockets), nodes: 1,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runIdle(ctx, r, sockets) },
	}}
}

// runIdle connects so many users, one session each, and looks at the memory of
// the nodes before and after.
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
	server := r.cluster.parts[partServer]
	before := resident(server)
	began := time.Now()
	err := each(ctx, sockets, func(ctx context.Context, i int) (err error) {
		socks[i], err = dial(ctx, r.cluster.urls[0], tokens[i], device)
		return err
	})
	took := time.Since(began)
	if err != nil {
		return nil, err
	}
	if err := newClock().sleepUntil(ctx, int64(idleSettles)); err != nil {
		return nil, err
	}
	metrics := []Metric{{"connect_all", "s", took.Seconds()}, {"connect", "socket/s", float64(sockets) / took.Seconds()}}
	if len(server) > 0 {
		metrics = append(metrics, Metric{"server_memory", "KiB/socket", float64(resident(server)-before) / float64(sockets)})
	}
	return metrics, nil
}
