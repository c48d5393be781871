package push

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
)

const (
	claimFeedSQL = `
UPDATE push_feed SET turn = turn + CASE WHEN holder = $1 THEN 0 ELSE 1 END, holder = $1, held_until = clock_timestamp() + $2::interval
WHERE holder = $1 OR held_until < clock_timestamp()
RETURNING turn, epoch, position, walked_id IS NOT NULL, clock_timestamp()`

	releaseFeedSQL = `UPDATE push_feed SET held_until = '-infinity', holder = '' WHERE holder = $1`

	// The position moves with the lanes, or not at all.
	advanceSQL = `UPDATE push_feed SET position = $2 WHERE turn = $1 RETURNING true`

	beginSQL = `
UPDATE push_feed SET epoch = $2, position = $3,
	walked_id = CASE WHEN $4 THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE walked_id END
WHERE turn = $1 RETURNING true`

	// A lane that exists goes on to the new head by itself.
	lanesSQL = `
INSERT INTO push_lanes AS l (conversation_id, next_seq, head_seq, due_at)
SELECT h.id, h.first_seq, h.head_seq, clock_timestamp() + $4::interval
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS h (id, first_seq, head_seq)
ORDER BY h.id
ON CONFLICT (conversation_id) DO UPDATE SET head_seq = excluded.head_seq WHERE l.head_seq < excluded.head_seq`
)

const (
	// lanesAtOnce is how many lanes are written in one transaction.
	lanesAtOnce = 5000
	// positionInterval is how old a stored position gets though nothing is committed.
	positionInterval = 30 * time.Second
	// walkChunk is how many conversations a walk goes through at once.
	walkChunk = 5000
)

// ErrLeaseLost means that another node follows the feed.
var ErrLeaseLost = domain.ErrConflict.WithMessage("another node follows the feed for push notifications")

// ClaimPushFeed takes or renews the lease of the node that follows the feed. It returns nil
// if another node has it.
func (p *Pushes) ClaimPushFeed(ctx context.Context, holder string, lease time.Duration) (*domain.HeldPush, error) {
	list, err := pg.ReadAll(ctx, p.db, func(row pgx.CollectableRow) (h domain.HeldPush, err error) {
		return h, row.Scan(&h.Turn, &h.Epoch, &h.Position, &h.Walking, &h.Now)
	}, claimFeedSQL, holder, lease)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// ReleasePushFeed ends the lease of a node, so that another one can take it at once.
func (p *Pushes) ReleasePushFeed(ctx context.Context, holder string) error {
	return p.exec(ctx, releaseFeedSQL, holder)
}

// FeedPush makes lanes of what was committed since h.Position, and moves h.Position. The
// lanes are due after delay. If the feed does not reach back that far, the epoch is another
// one, or the position was older than within when the lease was claimed, WalkPush makes the
// lanes: all that was committed in hours could not be read at once, and most of it is too
// old. The error is ErrLeaseLost if another node has taken the lease.
func (p *Pushes) FeedPush(ctx context.Context, h *domain.HeldPush, delay, within time.Duration) error {
	if h.Position == "" {
		return p.begin(ctx, h, false)
	}
	if h.Now.Sub(feed.TakenAt(h.Position)) > within {
		p.db.Logger.Warn("the position of push notifications is old: the last minutes are looked for in the log")
		return p.begin(ctx, h, true)
	}
	page, err := p.changes.Feed(ctx, h.Position)
	if errors.Is(err, domain.ErrCursorInvalid) || err == nil && page.Epoch != h.Epoch {
		p.db.Logger.Warn("the feed does not reach back to the position of push notifications, or a new epoch has begun: the last minutes are looked for in the log")
		return p.begin(ctx, h, true)
	}
	if err != nil {
		return err
	}
	if len(page.Heads) == 0 && feed.Span(h.Position, page.Position) < positionInterval {
		return nil // the next read of the feed is as cheap from the old position
	}
	slices.SortFunc(page.Heads, func(a, b domain.FeedHead) int { return bytes.Compare(a.ConversationID[:], b.ConversationID[:]) })
	for left := page.Heads; ; {
		chunk := left[:min(lanesAtOnce, len(left))]
		position := h.Position
		if left = left[len(chunk):]; len(left) == 0 {
			position = page.Position
		}
		if err := p.owe(ctx, h, delay, chunk, position); err != nil {
			return err
		}
		if h.Position = position; len(left) == 0 {
			return nil
		}
	}
}

// begin goes on from the present position; with a walk, through what was committed in the
// last minutes before it.
func (p *Pushes) begin(ctx context.Context, h *domain.HeldPush, walk bool) error {
	page, err := p.changes.Feed(ctx, "")
	if err != nil {
		return err
	}
	err = p.held(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var done bool
		return tx.QueryRow(ctx, beginSQL, h.Turn, page.Epoch, string(page.Position), walk).Scan(&done)
	})
	if err == nil {
		h.Epoch, h.Position, h.Walking = page.Epoch, page.Position, h.Walking || walk
	}
	return err
}

// owe makes lanes, and moves the position.
func (p *Pushes) owe(ctx context.Context, h *domain.HeldPush, delay time.Duration, heads []domain.FeedHead, position domain.FeedPosition) error {
	ids, firsts, tops := make([]domain.ConversationID, len(heads)), make([]int64, len(heads)), make([]int64, len(heads))
	for i, head := range heads {
		ids[i], firsts[i], tops[i] = head.ConversationID, head.First, head.Head
	}
	return p.held(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var done bool
		if err := tx.QueryRow(ctx, advanceSQL, h.Turn, string(position)).Scan(&done); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, lanesSQL, ids, firsts, tops, delay)
		return err
	})
}

const (
	walkingSQL = `SELECT walked_id FROM push_feed WHERE turn = $1 AND walked_id IS NOT NULL FOR NO KEY UPDATE`

	// A lane begins with the first event; what is too old is left out when it is due.
	walkSQL = `
WITH chunk AS MATERIALIZED (
	SELECT id, head_seq, last_at FROM conversations WHERE id > $1 ORDER BY id LIMIT $3
), made AS (
	INSERT INTO push_lanes AS l (conversation_id, next_seq, head_seq, due_at)
	SELECT id, 1, head_seq, clock_timestamp() FROM chunk WHERE last_at > clock_timestamp() - $2::interval ORDER BY id
	ON CONFLICT (conversation_id) DO UPDATE SET next_seq = 1, head_seq = excluded.head_seq, pass_seq = 0, after_user = ''
)
SELECT count(*), (SELECT id FROM chunk ORDER BY id DESC LIMIT 1) FROM chunk`

	walkedSQL = `UPDATE push_feed SET walked_id = $2 WHERE turn = $1`
)

// WalkPush makes lanes of the next conversations with events that are not older than within,
// and reports whether more conversations are left.
func (p *Pushes) WalkPush(ctx context.Context, h *domain.HeldPush, within time.Duration) (more bool, err error) {
	err = p.held(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var after uuid.UUID
		err := tx.QueryRow(ctx, walkingSQL, h.Turn).Scan(&after)
		if pg.NoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		var count int
		var last *uuid.UUID
		if err := tx.QueryRow(ctx, walkSQL, after, within, walkChunk).Scan(&count, &last); err != nil {
			return err
		}
		if more = count == walkChunk; !more {
			last = nil
		}
		_, err = tx.Exec(ctx, walkedSQL, h.Turn, last)
		return err
	})
	if err == nil {
		h.Walking = more
	}
	return more, err
}

// held runs a transaction of the holder of the lease.
func (p *Pushes) held(ctx context.Context, run func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	err := pgx.BeginTxFunc(ctx, p.db.Pool, pgx.TxOptions{BeginQuery: pg.BeginWrite}, func(tx pgx.Tx) error { return run(ctx, tx) })
	if pg.NoRows(err) {
		return ErrLeaseLost
	}
	p.db.ResetIfBroken(err)
	return pg.Translate(err)
}
