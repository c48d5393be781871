package search

import (
	"context"
	"time"
)

// ErrLeaseLost is errLeaseLost.
var ErrLeaseLost = errLeaseLost

// Indexer is an indexer that a test drives.
type Indexer struct {
	x    *indexer
	read []document
}

// Indexer returns an indexer that does not run by itself.
func (i *Index) Indexer() *Indexer { return &Indexer{x: newIndexer(i)} }

// TakeOver gives it the lease, whoever holds it, for at least as long as the holder had
// it; see freezeLease.
func (i *Indexer) TakeOver(ctx context.Context) {
	err := i.x.index.db.Pool.QueryRow(ctx, `UPDATE search_position SET turn = turn + 1, holder = $1,
		held_until = greatest(held_until, clock_timestamp() + interval '1500 ms') RETURNING turn`, i.x.name).Scan(&i.x.token)
	if err != nil {
		panic(err)
	}
}

// Acquire reports whether this indexer gets the lease.
func (i *Indexer) Acquire(ctx context.Context) (bool, error) {
	_, held, err := i.x.acquire(ctx)
	return held, err
}

// Renew renews its lease, which was renewed long ago.
func (i *Indexer) Renew(ctx context.Context) error {
	i.x.renewed = time.Time{}
	return i.x.renew(ctx)
}

// Step runs one step.
func (i *Indexer) Step(ctx context.Context) (more bool, err error) {
	more, _, err = i.x.step(ctx)
	return more, err
}

// WriteSome reads what is new and writes n rows of it, but no position.
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

// WriteAgain writes all that WriteSome has read.
func (i *Indexer) WriteAgain(ctx context.Context) error { return i.x.put(ctx, i.read) }

// LeaseExpired reports in over whether no node holds the index.
func (i *Index) LeaseExpired(ctx context.Context, over *bool) error {
	return i.db.Pool.QueryRow(ctx, `SELECT held_until < clock_timestamp() FROM search_position`).Scan(over)
}
