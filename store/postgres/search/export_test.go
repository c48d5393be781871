package search

import (
	"context"
	"time"
)

// ErrLeaseLost is errLeaseLost.
var ErrLeaseLost = errLeaseLost

// Indexer is an indexer in the hands of a test.
type Indexer struct {
	x    *indexer
	read []document
}

// Indexer returns one that does nothing by itself.
func (i *Index) Indexer() *Indexer { return &Indexer{x: newIndexer(i)} }

// TakeOver makes it this one's turn, whoever was at work, for as long as theirs at
// least; see freezeLease.
func (i *Indexer) TakeOver(ctx context.Context) {
	err := i.x.index.db.Pool.QueryRow(ctx, `UPDATE search_position SET turn = turn + 1, holder = $1,
		held_until = greatest(held_until, clock_timestamp() + interval '1500 ms') RETURNING turn`, i.x.name).Scan(&i.x.token)
	if err != nil {
		panic(err)
	}
}

// Hold tells whether it is this one's turn.
func (i *Indexer) Acquire(ctx context.Context) (bool, error) {
	_, held, err := i.x.acquire(ctx)
	return held, err
}

// Keep prolongs its turn, which was prolonged long ago.
func (i *Indexer) Renew(ctx context.Context) error {
	i.x.renewed = time.Time{}
	return i.x.renew(ctx)
}

// Step does a part of the work.
func (i *Indexer) Step(ctx context.Context) (more bool, err error) {
	more, _, err = i.x.step(ctx)
	return more, err
}

// WriteSome reads what is new and writes n rows of it, and no position.
func (i *Indexer) WriteSome(ctx context.Context, n int) error {
	state, held, err := i.x.acquire(ctx)
	if err == nil && !held {
		err = errLeaseLost
	}
	if err != nil {
		return err
	}
	page, err := i.x.index.changes.Feed(ctx, state.position)
	if err != nil {
		return err
	}
	if i.read, err = i.x.index.documents(ctx, page.Heads); err != nil {
		return err
	}
	return i.x.put(ctx, i.read[:n])
}

// WriteAgain writes all that was read before.
func (i *Indexer) WriteAgain(ctx context.Context) error { return i.x.put(ctx, i.read) }

// LeaseExpired reports in over whether no node holds the index.
func (i *Index) LeaseExpired(ctx context.Context, over *bool) error {
	return i.db.Pool.QueryRow(ctx, `SELECT held_until < clock_timestamp() FROM search_position`).Scan(over)
}
