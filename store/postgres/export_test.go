package postgres

import (
	"context"
	"time"

	"im/domain"
)

// PositionAt is a position in the feed at which no transaction from xmax on was
// seen.
func PositionAt(epoch string, xmax uint64) domain.FeedPosition {
	w := newCursor(cursorOfFeed)
	w.text(epoch)
	w.snapshot(snapshot{xmin: xmax, xmax: xmax})
	w.number(uint64(time.Now().Unix()))
	return domain.FeedPosition(w.String())
}

// SweepNow does all that is done now and then.
func (s *Store) SweepNow(ctx context.Context) error { return s.sweepOnce(ctx, true, true) }

// SawTransactions has the store have read the feed up to xmax.
func (s *Store) SawTransactions(epoch string, xmax uint64) {
	s.seen.Store(&seen{epoch: epoch, xmax: xmax})
}

// Disconnect gives up the connections of reads.
func (s *Store) Disconnect() { s.pool.Reset() }
