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

// CachedBytes is what the committers' caches hold; nothing may be under way.
func (s *Store) CachedBytes() (size int) {
	for _, c := range s.committers {
		size += c.states.size
	}
	return size
}
