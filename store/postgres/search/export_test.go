package search

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/search/terms"
)

// ErrLeaseLost is errLeaseLost.
var ErrLeaseLost = errLeaseLost

// Slots is slotCount.
const Slots = slotCount

// SlotOf is slotOf.
func SlotOf(id domain.ConversationID) int16 { return slotOf(id) }

// Indexer is an indexer that a test drives.
type Indexer struct {
	x    *indexer
	held []*slot
	read []document
}

// Indexer returns an indexer that does not run by itself.
func (i *Index) Indexer() *Indexer { return &Indexer{x: newIndexer(i)} }

// Name is the name under which it holds slots.
func (i *Indexer) Name() string { return i.x.name }

// TakeOver gives it all slots, whoever holds them, for at least as long as the holder had
// them; see freezeLease.
func (i *Indexer) TakeOver(ctx context.Context) {
	db := i.x.index.db
	_, err := db.Pool.Exec(ctx, `UPDATE search_slots SET turn = turn + 1, holder = $1,
		held_until = greatest(held_until, clock_timestamp() + interval '1500 ms')`, i.x.name)
	if err != nil {
		panic(err)
	}
	rows, err := db.Pool.Query(ctx, slotsSQL)
	if err == nil {
		i.held, err = pgx.CollectRows(rows, scanSlot)
	}
	if err != nil {
		panic(err)
	}
	i.x.hold(i.held, time.Now())
}

// Acquire returns how many slots this indexer gets.
func (i *Indexer) Acquire(ctx context.Context) (int, error) {
	held, err := i.x.acquire(ctx)
	i.held = held
	return len(held), err
}

// Release gives up its slots.
func (i *Indexer) Release() { i.x.release() }

// Renew renews the leases of all its slots by a write.
func (i *Indexer) Renew(ctx context.Context) error {
	return i.x.put(ctx, []document{{}}, leaseOf(i.held))
}

// Follow brings the slots that it holds to the present, without taking others.
func (i *Indexer) Follow(ctx context.Context) error { return i.x.follow(ctx, i.held) }

// Scan scans a chunk for the slots that it holds.
func (i *Indexer) Scan(ctx context.Context) (bool, error) { return i.x.scan(ctx, i.held) }

// Summarize writes the state of all slots to search_position.
func (i *Indexer) Summarize(ctx context.Context) error {
	i.x.summarized = time.Time{}
	return i.x.summarize(ctx)
}

// WriteSome reads what is new and writes n rows of it, but no position.
func (i *Indexer) WriteSome(ctx context.Context, n int) error {
	if len(i.held) == 0 {
		return errors.New("no slots")
	}
	page, err := i.x.index.changes.Feed(ctx, i.held[0].position)
	if err != nil {
		return err
	}
	if i.read, err = i.x.index.documents(ctx, page.Heads); err != nil {
		return err
	}
	return i.x.put(ctx, i.read[:n], leaseOf(i.held))
}

// WriteAgain writes all that WriteSome has read.
func (i *Indexer) WriteAgain(ctx context.Context) error {
	return i.x.put(ctx, i.read, leaseOf(i.held))
}

// LeasesExpired reports in over whether no node holds a slot.
func (i *Index) LeasesExpired(ctx context.Context, over *bool) error {
	return i.db.Pool.QueryRow(ctx, `SELECT bool_and(held_until < clock_timestamp()) FROM search_slots`).Scan(over)
}

// TermsVersion is terms.Version.
const TermsVersion = terms.Version
