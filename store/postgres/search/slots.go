package search

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
	"im/store/postgres/search/terms"
)

// slotCount is the number of parts of the index that different nodes may update. It is
// part of the schema (search_slots).
const slotCount = 16

// slotOf returns the slot of a conversation, as inSlots of the statements has it.
func slotOf(id domain.ConversationID) int16 { return int16(id[len(id)-1] & (slotCount - 1)) }

// slot is a row of search_slots: a part of the index, and how far it is.
type slot struct {
	number   int16
	token    int64 // fencing token of the lease
	version  int
	epoch    string
	position domain.FeedPosition
	scanning bool
	scanned  messageKey
	count    int64 // messages scanned
}

// isEmpty reports whether the slot has to start from the beginning of the log.
func (s *slot) isEmpty() bool { return s.position == "" || s.version != terms.Version }

const slotColumns = `slot, turn, terms_version, epoch, position, walking, walked_id, walked_seq, walked`

func (s *slot) targets() []any {
	return []any{&s.number, &s.token, &s.version, &s.epoch, &s.position, &s.scanning, &s.scanned.id, &s.scanned.seq, &s.count}
}

// lease is the slots that a statement writes under, as its first two parameters. Every
// such statement begins with whileHeld: it writes all or nothing.
type lease struct {
	slots  []int16
	tokens []int64
}

func leaseOf(list []*slot) (l lease) {
	for _, s := range list {
		l.slots, l.tokens = append(l.slots, s.number), append(l.tokens, s.token)
	}
	return l
}

// whileHeld locks the slots of a lease. all_held has a row if no other node has taken one
// of them.
const whileHeld = `
WITH held AS MATERIALIZED (
	SELECT s.slot FROM unnest($1::smallint[], $2::bigint[]) AS t (slot, turn)
	JOIN search_slots s ON s.slot = t.slot AND s.turn = t.turn
	ORDER BY s.slot FOR UPDATE OF s
), all_held AS MATERIALIZED (
	SELECT FROM held HAVING count(*) = cardinality($1::smallint[])
)`

// Every such statement ends with it, and so renews the lease. It affects as many rows as
// the lease has slots, or none.
const renewHeld = `
FROM all_held WHERE s.slot = ANY ($1::smallint[])`

const (
	acquireSQL = `SELECT ` + slotColumns + ` FROM im_search_slots_1($1, $2, true)`

	renewSQL = `SELECT count(*) FROM im_search_slots_1($1, $2, false)`

	releaseSQL = `
WITH gone AS (
	DELETE FROM search_nodes WHERE name = $1
)
UPDATE search_slots SET held_until = '-infinity', holder = '' WHERE holder = $1`

	// The row of search_position has to say at once that the index starts again. It is
	// locked before the slots.
	restartSQL = `
WITH whole AS MATERIALIZED (
	SELECT restarts FROM search_position FOR UPDATE
), held AS MATERIALIZED (
	SELECT s.slot FROM whole, unnest($1::smallint[], $2::bigint[]) AS t (slot, turn)
	JOIN search_slots s ON s.slot = t.slot AND s.turn = t.turn
	ORDER BY s.slot FOR UPDATE OF s
), all_held AS MATERIALIZED (
	SELECT FROM held HAVING count(*) = cardinality($1::smallint[])
), noted AS (
	UPDATE search_position SET restarts = restarts + 1, terms_version = greatest(terms_version, $3),
		walking = true, walked_id = '00000000-0000-0000-0000-000000000000', walked_seq = 0, walked = 0
	FROM all_held
)
UPDATE search_slots s SET
	held_until = clock_timestamp() + interval '1500 ms', terms_version = $3, epoch = $4, position = $5,
	walking = true, walked_id = '00000000-0000-0000-0000-000000000000', walked_seq = 0, walked = 0` + renewHeld

	advanceSQL = whileHeld + `
UPDATE search_slots s SET held_until = clock_timestamp() + interval '1500 ms', position = $3` + renewHeld
)

// errLeaseLost means that another node has taken some of the slots.
var errLeaseLost = errors.New("another node has taken over a part of the search index")

// acquire renews the leases of the indexer's slots, and takes or gives up others, so that
// each node has its share.
func (x *indexer) acquire(ctx context.Context) (held []*slot, err error) {
	begun := time.Now()
	list, err := pg.ReadAll(ctx, x.index.db, scanSlot, acquireSQL, x.name, terms.Version)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *slot) int { return int(a.number) - int(b.number) })
	x.hold(list, begun)
	return list, nil
}

// hold notes which slots the indexer holds.
func (x *indexer) hold(list []*slot, since time.Time) {
	tokens := make(map[int16]int64, len(list))
	for _, s := range list {
		if tokens[s.number] = s.token; x.tokens[s.number] != s.token {
			x.indexedUntil = time.Time{} // nothing is known about a new one
		}
	}
	x.tokens = tokens
	x.renewed.Store(since.UnixNano())
	x.index.progress.held.Store(int64(len(list)))
}

// renew renews the leases when that is due. Writes renew those of their slots too, but
// others may have nothing to write.
func (x *indexer) renew(ctx context.Context) error {
	last := x.renewed.Load()
	now := time.Now()
	if now.Sub(time.Unix(0, last)) < renewAfter || !x.renewed.CompareAndSwap(last, now.UnixNano()) {
		return nil
	}
	return x.index.db.Read(ctx, func(ctx context.Context) error {
		var n int
		return x.index.db.Pool.QueryRow(ctx, renewSQL, x.name, terms.Version).Scan(&n)
	})
}

// release ends the leases, so that other nodes can take over at once.
func (x *indexer) release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = x.index.db.Pool.Exec(ctx, releaseSQL, x.name) // else they end by themselves
}

// write runs a statement that begins with the parameters of a lease. If this node has
// lost one of its slots, the statement has changed nothing, and the error is
// errLeaseLost.
func (x *indexer) write(ctx context.Context, sql string, l lease, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	tag, err := x.index.db.Pool.Exec(ctx, sql, append([]any{l.slots, l.tokens}, args...)...)
	if err != nil {
		x.index.db.ResetIfBroken(err)
		return pg.Translate(err)
	}
	if tag.RowsAffected() != int64(len(l.slots)) {
		return errLeaseLost
	}
	x.index.progress.indexed.Inc()
	return nil
}

// restart starts slots from the beginning of the log. Concurrent commits are in the feed
// from the stored position on.
func (x *indexer) restart(ctx context.Context, list []*slot) error {
	page, err := x.index.changes.Feed(ctx, "")
	if err != nil {
		return err
	}
	x.index.db.Logger.Info("building the search index again from the log", "slots", len(list))
	if err := x.write(ctx, restartSQL, leaseOf(list), terms.Version, page.Epoch, string(page.Position)); err != nil {
		return err
	}
	for _, s := range list {
		s.version, s.epoch, s.position = terms.Version, page.Epoch, page.Position
		s.scanning, s.scanned, s.count = true, messageKey{}, 0
	}
	return nil
}

const (
	summaryInterval = 5 * time.Second

	wholeSQL = `SELECT turn, restarts FROM search_position WHERE holder = 'slots'`

	slotsSQL = `SELECT ` + slotColumns + ` FROM search_slots ORDER BY slot`

	// The slots may have gone on since they were read, but none has started again.
	summarizeSQL = `
UPDATE search_position SET terms_version = $3, epoch = $4, position = $5, walking = $6, walked_id = $7, walked_seq = $8, walked = $9
WHERE turn = $1 AND restarts = $2 AND holder = 'slots'`
)

// summarize writes to search_position what all slots have reached at least, every
// summaryInterval. A node of a version before goes on from there.
func (x *indexer) summarize(ctx context.Context) error {
	if time.Since(x.summarized) < summaryInterval {
		return nil
	}
	x.summarized = time.Now()
	return x.index.db.Read(ctx, func(ctx context.Context) error {
		var turn, restarts int64
		err := x.index.db.Pool.QueryRow(ctx, wholeSQL).Scan(&turn, &restarts)
		if pg.NoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, err := x.index.db.Pool.Query(ctx, slotsSQL)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, scanSlot)
		if err != nil {
			return err
		}
		s, ok := summary(all)
		if !ok {
			return nil
		}
		_, err = x.index.db.Pool.Exec(ctx, summarizeSQL,
			turn, restarts, s.version, s.epoch, string(s.position), s.scanning, s.scanned.id, s.scanned.seq, s.count)
		return err
	})
}

// summary returns the state of an index of which the slots are parts. ok is false if there
// is none at the moment, such as while some of them have not seen a new epoch.
func summary(all []*slot) (whole slot, ok bool) {
	if len(all) != slotCount {
		return whole, false
	}
	whole = slot{epoch: all[0].epoch, scanned: lastKey()}
	for _, s := range all {
		whole.version = max(whole.version, s.version)
		whole.count += s.count
	}
	for _, s := range all {
		if s.epoch != whole.epoch || s.version != whole.version || s.position == "" {
			return whole, false
		}
		if s.scanning {
			whole.scanning = true
			whole.scanned = earlier(whole.scanned, s.scanned)
		}
	}
	oldest := slices.IndexFunc(all, func(s *slot) bool {
		return !slices.ContainsFunc(all, func(other *slot) bool { return !feed.Covers(other.position, s.position) })
	})
	if oldest < 0 {
		return whole, false
	}
	whole.position = all[oldest].position
	return whole, true
}

// byPosition groups slots that have the same position in the feed.
func byPosition(list []*slot) (groups [][]*slot) {
	index := map[domain.FeedPosition]int{}
	for _, s := range list {
		i, ok := index[s.position]
		if !ok {
			i = len(groups)
			index[s.position], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

func scanSlot(row pgx.CollectableRow) (*slot, error) {
	s := new(slot)
	return s, row.Scan(s.targets()...)
}
