package client

import (
	"context"
	"errors"
	"fmt"
)

// callbacks hands over what waits, until ctx ends.
func (c *Client) callbacks(ctx context.Context) error {
	said := Status{State: -1}
	for {
		var b batch
		c.locked(func(e *engine) { b = e.inbox.take(64, e.epoch) })
		if b.empty() {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-c.wake:
			}
			continue
		}
		if b.status != nil && b.status.State != said.State {
			said = *b.status
			c.tell(said)
		}
		if b.changed && c.opts.OnChange != nil {
			c.opts.OnChange()
		}
		if err := c.handOver(ctx, &b); err != nil {
			return err
		}
	}
}

func (c *Client) tell(s Status) {
	if c.opts.OnStatus != nil {
		c.opts.OnStatus(s)
	}
}

// handOver calls back for each of a batch, saves the positions and gives them
// back to the engine, which acknowledges them. What was handed over before an
// error is saved all the same.
func (c *Client) handOver(ctx context.Context, b *batch) error {
	seqs := map[ConversationID]int64{}
	for id, seq := range b.starts {
		seqs[id] = seq
	}
	var failed error
	for i := range b.items {
		d := &b.items[i]
		if failed = ctx.Err(); failed == nil {
			failed = c.callBack(ctx, d)
		}
		if failed != nil {
			break
		}
		if !d.reset {
			seqs[d.event.ConversationID] = d.event.Seq
		}
	}
	saving := context.WithoutCancel(ctx)
	if err := c.opts.Store.Save(saving, Positions{Epoch: b.epoch, Seqs: seqs}); err != nil {
		return errors.Join(failed, fmt.Errorf("client: the store: %w", err))
	}
	c.locked(func(e *engine) {
		if b.life == e.inbox.life {
			for id, seq := range seqs {
				if _, only := b.starts[id]; !only || seq != b.starts[id] {
					e.handled(id, seq)
				}
			}
		}
		e.inbox.done(b)
		e.flush()
	})
	return failed
}

func (c *Client) callBack(ctx context.Context, d *delivery) error {
	if d.reset {
		if c.opts.OnReset == nil {
			return nil
		}
		return c.opts.OnReset(ctx, d.epoch)
	}
	if c.opts.OnEvent == nil {
		return nil
	}
	return c.opts.OnEvent(ctx, d.event)
}
