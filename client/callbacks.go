package client

import (
	"context"
	"errors"
	"fmt"
)

// eventsPerBatch is how many events are handed over between two saves of the positions.
const eventsPerBatch = 64

// runCallbacks calls the callbacks, one at a time, until ctx ends or one fails.
func (c *Client) runCallbacks(ctx context.Context) error {
	last := Status{State: -1}
	for {
		var b batch
		c.locked(func(e *engine) { b = e.take(eventsPerBatch) })
		if b.empty() {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-c.wake:
			}
			continue
		}
		if b.status != nil && b.status.State != last.State {
			last = *b.status
			if c.opts.OnStatus != nil {
				c.opts.OnStatus(ctx, c, last)
			}
		}
		if b.changed && c.opts.OnChange != nil {
			c.opts.OnChange(ctx, c)
		}
		if c.opts.OnSignal != nil {
			for _, s := range b.signals {
				c.opts.OnSignal(ctx, c, s)
			}
		}
		if err := c.handOver(ctx, &b); err != nil {
			return err
		}
	}
}

// handOver calls OnEvent and OnReset for a batch, saves the positions, and then
// returns them to the engine, which acknowledges them. If a callback fails, the
// events before it are saved and acknowledged all the same.
func (c *Client) handOver(ctx context.Context, b *batch) error {
	if len(b.deliveries) == 0 && !b.save {
		return nil
	}
	handed := map[ConversationID]int64{}
	var failure error
	for i := range b.deliveries {
		d := &b.deliveries[i]
		if failure = ctx.Err(); failure == nil {
			failure = c.deliver(ctx, d)
		}
		if failure != nil {
			break
		}
		if !d.reset {
			handed[d.event.ConversationID] = d.event.Seq
		}
	}
	positions := make(map[ConversationID]int64, len(b.starts)+len(handed))
	for _, seqs := range []map[ConversationID]int64{b.starts, handed} {
		for id, seq := range seqs {
			positions[id] = seq
		}
	}
	saving := context.WithoutCancel(ctx) // also when Run is being stopped
	if err := c.opts.Store.Save(saving, Positions{Epoch: b.epoch, Seqs: positions}); err != nil {
		return errors.Join(failure, fmt.Errorf("client: save positions: %w", err))
	}
	c.locked(func(e *engine) {
		if b.resets == e.inbox.resets {
			for id, seq := range handed {
				e.handled(id, seq)
			}
		}
		e.inbox.release(b)
		e.flush()
	})
	return failure
}

func (c *Client) deliver(ctx context.Context, d *delivery) error {
	switch {
	case d.reset && c.opts.OnReset != nil:
		return c.opts.OnReset(ctx, c, d.epoch)
	case !d.reset && c.opts.OnEvent != nil:
		return c.opts.OnEvent(ctx, c, d.event)
	}
	return nil
}
