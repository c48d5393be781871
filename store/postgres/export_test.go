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

// ErrTurnLost is errTurnLost.
var ErrTurnLost = errTurnLost

// Indexer is an indexer in the hands of a test.
type Indexer struct {
	x    *indexer
	read []document
}

// Indexer returns one that does nothing by itself.
func (s *Store) Indexer() *Indexer { return &Indexer{x: newIndexer(s)} }

// TakeOver makes it this one's turn, whoever was at work, for as long as theirs at
// least; see turnsLast.
func (i *Indexer) TakeOver(ctx context.Context) {
	err := i.x.store.pool.QueryRow(ctx, `UPDATE search_position SET turn = turn + 1, holder = $1,
		held_until = greatest(held_until, clock_timestamp() + interval '1500 ms') RETURNING turn`, i.x.name).Scan(&i.x.turn)
	if err != nil {
		panic(err)
	}
}

// Hold tells whether it is this one's turn.
func (i *Indexer) Hold(ctx context.Context) (bool, error) {
	_, held, err := i.x.hold(ctx)
	return held, err
}

// Keep prolongs its turn, which was prolonged long ago.
func (i *Indexer) Keep(ctx context.Context) error {
	i.x.kept = time.Time{}
	return i.x.keep(ctx)
}

// Step does a part of the work.
func (i *Indexer) Step(ctx context.Context) (more bool, err error) {
	more, _, err = i.x.step(ctx)
	return more, err
}

// WriteSome reads what is new and writes n rows of it, and no position.
func (i *Indexer) WriteSome(ctx context.Context, n int) error {
	state, held, err := i.x.hold(ctx)
	if err == nil && !held {
		err = errTurnLost
	}
	if err != nil {
		return err
	}
	page, err := i.x.store.Feed(ctx, state.position)
	if err != nil {
		return err
	}
	if i.read, err = i.x.store.documents(ctx, page.Heads); err != nil {
		return err
	}
	return i.x.put(ctx, i.read[:n])
}

// WriteAgain writes all that was read before.
func (i *Indexer) WriteAgain(ctx context.Context) error { return i.x.put(ctx, i.read) }

// TurnIsOver tells whether nobody's turn is going on.
func (s *Store) TurnIsOver(ctx context.Context, over *bool) error {
	return s.pool.QueryRow(ctx, `SELECT held_until < clock_timestamp() FROM search_position`).Scan(over)
}

// SawTransactions has the store have read the feed up to xmax.
func (s *Store) SawTransactions(epoch string, xmax uint64) {
	s.seen.Store(&seen{epoch: epoch, xmax: xmax})
}

// Disconnect gives up the connections of reads.
func (s *Store) Disconnect() { s.pool.Reset() }

// Idle is how many connections of reads nobody uses.
func (s *Store) Idle() int { return int(s.pool.Stat().IdleConns()) }

const (
	// Patience is how long a command may take.
	Patience = patience
	// AttemptTimeout is how long one attempt at a read, or at a batch, may take.
	AttemptTimeout = min(attemptTimeout, attemptAppend)
)

// BeginLookup begins the transactions of lookups.
const BeginLookup = beginLookup

// Acquired is how often a connection was taken for a read.
func (s *Store) Acquired() int64 { return s.pool.Stat().AcquireCount() }
