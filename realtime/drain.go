package realtime

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"im/realtime/presence"
	"im/realtime/wire"
)

// Run writes acknowledgements and last-seen times behind, and sends typing and
// presence, until ctx ends. Let it end after Drain.
func (g *Gateway) Run(ctx context.Context) error {
	var running errgroup.Group
	running.Go(func() error { return g.acks.run(ctx) })
	running.Go(func() error { return g.o.LastSeen.Run(ctx, g.o.Hub.OnlineUsers) })
	running.Go(func() error { g.typing.Run(ctx); return nil })
	refresher := presence.NewRefresher(g.o.Watches, g.o.Presence, g.o.Logger, g.o.Request)
	running.Go(func() error { refresher.Run(ctx); return nil })
	return running.Wait()
}

// Drain refuses new sockets and asks each open one to reconnect after a delay.
// The delays are spread over DrainSpread. When its delay is over and its requests
// are answered, a socket is closed. Drain returns when all are closed. If ctx ends
// before, it cuts off the rest and returns ctx's error.
func (g *Gateway) Drain(ctx context.Context) error {
	spread := g.o.DrainSpread
	if deadline, ok := ctx.Deadline(); ok {
		spread = min(spread, time.Until(deadline)/2)
	}
	for _, k := range g.beginDrain() {
		after := time.Duration(rand.Int64N(int64(max(spread, time.Millisecond))))
		k.queue.Send(wire.Drain(after))
		k.closeAfter(after, wire.CloseDraining)
	}
	closed := make(chan struct{})
	go func() {
		g.running.Wait()
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
	}
	for _, k := range g.beginDrain() {
		k.cut()
	}
	<-closed
	return ctx.Err()
}

// beginDrain makes the gateway refuse new sockets, and returns those there are.
func (g *Gateway) beginDrain() []*socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	all := make([]*socket, 0, len(g.sockets))
	for k := range g.sockets {
		all = append(all, k)
	}
	return all
}
