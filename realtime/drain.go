package realtime

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run writes acknowledgements behind, and tells who types no longer, comes and
// goes, until ctx ends. It is to end after Drain.
func (g *Gateway) Run(ctx context.Context) error {
	var running errgroup.Group
	running.Go(func() error { g.writeAcks(ctx); return nil })
	running.Go(func() error { g.typing.run(ctx); return nil })
	running.Go(func() error { g.sightings.run(ctx, g.o.Hub.online); return nil })
	m := &watchman{watches: &g.o.Hub.watches, presence: g.o.Presence, logger: g.o.Logger, timeout: g.o.Request}
	running.Go(func() error { m.run(ctx); return nil })
	return running.Wait()
}

func (g *Gateway) writeAcks(ctx context.Context) {
	ticker := time.NewTicker(g.o.AckDelay)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.flushAcks(ctx, g.acks.takeAll())
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.o.Request)
			defer cancel()
			g.flushAcks(last, g.acks.takeAll())
			return
		}
	}
}

// Drain refuses new sockets, tells the others when to reconnect, spread over
// some seconds, and closes each at its time, once its requests are answered.
// It returns when all are gone; those that are not when ctx ends are cut off,
// and ctx's error is returned.
func (g *Gateway) Drain(ctx context.Context) error {
	spread := g.o.Drain
	if deadline, ok := ctx.Deadline(); ok {
		spread = min(spread, time.Until(deadline)/2)
	}
	for _, k := range g.beginDrain() {
		after := time.Duration(rand.Int64N(int64(max(spread, time.Millisecond))))
		k.out.answer(jsonFrame(drainFrame{Type: "drain", ReconnectAfterMS: after.Milliseconds()}))
		k.closeAfter(after, closeDraining)
	}
	gone := make(chan struct{})
	go func() {
		g.running.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, k := range g.beginDrain() {
		k.cut()
	}
	<-gone
	return ctx.Err()
}

// beginDrain makes sure that no socket comes any more, and lists those there are.
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
