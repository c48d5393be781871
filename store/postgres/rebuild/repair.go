package rebuild

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// repairChunk is how many rows a step writes while it has the head locked.
const repairChunk = 1000

// repairStep is what one transaction writes. The head is locked in it, and the fold is
// current.
type repairStep struct {
	decides bool // commands are decided on the rows it writes
	rows    int
	queue   func(c *comparison, b *pgx.Batch)
}

// repair writes the rows that differ, a step at a time. A step holds the lock of the head
// no longer than an append does. It first folds the events that were appended since, so
// that every row it writes is current. The rows that did not differ are kept up to date
// by the appends themselves.
func (r *rebuild) repair(ctx context.Context, c *comparison) error {
	reported := len(c.differences)
	for _, step := range c.steps() {
		var written int
		err := r.retry(ctx, func(ctx context.Context) error {
			return pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{BeginQuery: pg.BeginWrite}, func(tx pgx.Tx) (err error) {
				written, err = c.write(ctx, tx, step)
				return err
			})
		})
		switch {
		case errors.Is(err, errUnfolded), pg.SQLState(err) == pg.StateUnique:
			c.broken = true
			r.progress.Differences++
			r.options.Found(Difference{ConversationID: c.id, Table: "conversations", Stored: brokenReason(err)})
			return nil
		case err != nil:
			return err
		}
		c.events = c.events[written:]
	}
	for _, d := range c.differences[reported:] { // appended since, on wrong rows
		r.progress.Differences++
		r.options.Found(d)
	}
	return nil
}

var errUnfolded = errors.New("the log cannot be folded")

func brokenReason(err error) string {
	if pg.SQLState(err) == pg.StateUnique {
		return "cannot be restored: another conversation has its direct key"
	}
	return err.Error()
}

// steps returns the steps in the order of locks. The head comes first, because events are
// numbered from it; then the events, because read positions are counted from them.
func (c *comparison) steps() []repairStep {
	steps := []repairStep{{c.head, 1, (*comparison).queueHead}}
	for range len(c.events) / repairChunk {
		steps = append(steps, repairStep{false, repairChunk, func(*comparison, *pgx.Batch) {}}) // every step writes some events
	}
	steps = append(steps, chunks(c.members, cmp.Compare, true, (*comparison).queueMembers)...)
	if c.numbers {
		steps = append(steps, chunks(c.fold.Users(), cmp.Compare, false, (*comparison).queueNumbers)...)
	}
	steps = append(steps, chunks(c.states, cmp.Compare, false, (*comparison).queueStates)...)
	steps = append(steps, chunks(c.mentions, cmp.Compare, false, (*comparison).queueMentions)...)
	steps = append(steps, chunks(c.reactions, compareReactors, false, (*comparison).queueReactions)...)
	steps = append(steps, chunks(c.pins, cmp.Compare, true, (*comparison).queuePins)...)
	steps = append(steps, chunks(c.sanctions, compareSanctionKeys, true, (*comparison).queueSanctions)...)
	steps = append(steps, chunks(c.uses, cmp.Compare, false, (*comparison).queueUses)...)
	return pack(append(steps, chunks(c.attachments, compareIDs, false, (*comparison).queueAttachments)...))
}

// pack merges consecutive steps that are small together.
func pack(steps []repairStep) (packed []repairStep) {
	for _, step := range steps {
		last := len(packed) - 1
		if last < 0 || packed[last].rows+step.rows > repairChunk {
			packed = append(packed, step)
			continue
		}
		before := packed[last]
		packed[last] = repairStep{before.decides || step.decides, before.rows + step.rows, func(c *comparison, b *pgx.Batch) {
			before.queue(c, b)
			step.queue(c, b)
		}}
	}
	return packed
}

func chunks[K any](keys []K, compare func(K, K) int, decides bool, queue func(*comparison, *pgx.Batch, []K)) (steps []repairStep) {
	slices.SortFunc(keys, compare)
	for chunk := range slices.Chunk(keys, repairChunk) {
		steps = append(steps, repairStep{decides, len(chunk), func(c *comparison, b *pgx.Batch) { queue(c, b, chunk) }})
	}
	return steps
}

func compareReactors(a, b domain.FoldedReactor) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Emoji, b.Emoji), cmp.Compare(a.User, b.User))
}

const (
	// A direct conversation whose row is missing is locked by its key, as a block does.
	lockHeadSQL = `SELECT FROM conversations WHERE id = $1 FOR UPDATE`

	lockKeySQL = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) WHERE $1 <> ''`

	// The version is one that no cache has. The row of the feed names the conversation and
	// no event: whoever reads the feed sees that it has changed.
	touchHeadSQL = `
WITH touched AS (
	UPDATE conversations SET changed = pg_current_xact_id(), version = CASE WHEN $2 THEN -nextval('block_versions') ELSE version END
	WHERE id = $1 RETURNING id, head_seq
)
INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
SELECT gen_random_uuid(), clock_timestamp(), 'rebuild', ARRAY[id], ARRAY[head_seq + 1], ARRAY[head_seq], ARRAY[false] FROM touched`
)

// write writes one step in tx, and returns how many of c.events it wrote.
func (c *comparison) write(ctx context.Context, tx pgx.Tx, step repairStep) (written int, err error) {
	if c.head {
		if _, err := tx.Exec(ctx, lockKeySQL, c.fold.DirectKey); err != nil {
			return 0, err
		}
	}
	if _, err := tx.Exec(ctx, lockHeadSQL, c.id); err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, foldSQL, c.id, c.fold.Head)
	if err != nil {
		return 0, err
	}
	if err := c.foldNext(rows); err != nil {
		return 0, err
	}
	if c.broken {
		return 0, errUnfolded
	}
	b := &pgx.Batch{}
	written = c.queueEvents(b)
	step.queue(c, b)
	b.Queue(touchHeadSQL, c.id, step.decides)
	return written, tx.SendBatch(ctx, b).Close()
}
