package realtime

import (
	"context"
	"log/slog"
	"slices"

	"im/domain"
	"im/internal/coalesce"
	"im/realtime/hub"
)

const (
	// maxSessionAcks is the number of conversations of one session whose
	// positions may wait to be written. Then the session waits for a write.
	maxSessionAcks = 10_000
	// ackBatch is the number of positions in one write.
	ackBatch = 1_000
	// maxRetainedAcks is the number of sessions up to which positions are kept
	// after a failed write. Clients repeat lost ones after a reconnect.
	maxRetainedAcks = 100_000
)

// positions are seqs by conversation.
type positions map[domain.ConversationID]int64

// acks writes behind what devices have acknowledged: per session, the highest
// position in each conversation.
type acks struct {
	pending *coalesce.Buffer[*hub.Session, positions]
	reader  Reader
	logger  *slog.Logger
}

func newAcks(o *GatewayOptions) *acks {
	a := &acks{reader: o.Reader, logger: o.Logger}
	a.pending = coalesce.New(coalesce.Options[*hub.Session, positions]{
		Every: o.AckEvery, Timeout: o.Request, Retain: maxRetainedAcks, Merge: mergePositions, Flush: a.write,
	})
	return a
}

func mergePositions(waiting, added positions) positions {
	for id, seq := range added {
		waiting[id] = max(waiting[id], seq)
	}
	return waiting
}

// add records positions of a session. If more than maxSessionAcks wait, they are
// written first; if that fails, the rest is dropped.
func (a *acks) add(ctx context.Context, s *hub.Session, added positions) {
	for a.fit(s, added); len(added) > 0; a.fit(s, added) {
		if a.pending.FlushKey(ctx, s) != nil {
			return
		}
	}
}

// fit records as many of the positions as may wait, and deletes them from added.
func (a *acks) fit(s *hub.Session, added positions) {
	if len(added) == 0 {
		return
	}
	a.pending.Update(s, func(waiting positions) positions {
		if waiting == nil {
			waiting = make(positions, min(len(added), maxSessionAcks))
		}
		for id, seq := range added {
			if last, waits := waiting[id]; waits || len(waiting) < maxSessionAcks {
				waiting[id] = max(last, seq)
				delete(added, id)
			}
		}
		return waiting
	})
}

// write writes a batch in parts. What it has written it deletes from the batch.
func (a *acks) write(ctx context.Context, batch map[*hub.Session]positions) error {
	type ack struct {
		session *hub.Session
		domain.Ack
	}
	var all []ack
	for s, own := range batch {
		for id, seq := range own {
			all = append(all, ack{s, domain.Ack{User: s.User, Device: s.Device, ConversationID: id, Seq: seq}})
		}
	}
	for part := range slices.Chunk(all, ackBatch) {
		list := make([]domain.Ack, len(part))
		for i := range part {
			list[i] = part[i].Ack
		}
		if err := a.reader.Acknowledge(ctx, list); err != nil {
			a.logger.Warn("acknowledgements not written, retrying", "count", len(all), "error", err)
			return err
		}
		for _, written := range part {
			delete(batch[written.session], written.ConversationID)
		}
	}
	return nil
}

// run writes until ctx ends, and what is left then.
func (a *acks) run(ctx context.Context) error { return a.pending.Run(ctx) }

// leave writes the positions of a session that leaves.
func (a *acks) leave(ctx context.Context, s *hub.Session) { _ = a.pending.FlushKey(ctx, s) }
