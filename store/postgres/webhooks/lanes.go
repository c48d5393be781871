package webhooks

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
	target = `webhook_id, url, state, types, conversation_ids, recipients, notify_track, report_track,
	CASE WHEN former_secret <> '' AND rotated_until > clock_timestamp() THEN ARRAY[secret, former_secret] ELSE ARRAY[secret] END`

	// A locked row is being changed. Its holder renews the lease the next time. A trigger
	// refuses claims without the prefix for webhooks that other versions do not know.
	claimSQL = `
UPDATE webhooks SET turn = turn + CASE WHEN holder = $1 THEN 0 ELSE 1 END, holder = $1, held_until = clock_timestamp() + $2::interval
WHERE webhook_id IN (
	SELECT webhook_id FROM webhooks
	WHERE (holder = $1 OR held_until < clock_timestamp()) AND ($3 OR webhook_id <> $4) ORDER BY webhook_id FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING ` + target + `, turn, epoch, position, walk_since IS NOT NULL`

	releaseSQL = `UPDATE webhooks SET held_until = '-infinity', holder = '' WHERE holder = $1`

	targetSQL = `SELECT ` + target + ` FROM webhooks WHERE webhook_id = $1`
)

// ClaimWebhooks renews the leases that a node holds, takes those that have ended, and
// returns all that it holds now. The event stream is among them only if stream is set.
func (w *Webhooks) ClaimWebhooks(ctx context.Context, holder string, lease time.Duration, stream bool) ([]domain.HeldWebhook, error) {
	return pg.ReadAll(ctx, w.db, func(row pgx.CollectableRow) (h domain.HeldWebhook, err error) {
		err = row.Scan(append(targetOf(&h.WebhookTarget), &h.Turn, &h.Epoch, &h.Position, &h.Walking)...)
		h.Tracks[domain.EventTrack] = h.WebhookID
		return h, err
	}, claimSQL, claimPrefix+holder, lease, stream, domain.StreamID)
}

// claimPrefix begins the names of holders that make the lanes of all tracks ("2:"), and that
// know the event stream.
const claimPrefix = "2:stream:"

// ReleaseWebhooks ends the leases of a node, so that others can take them at once.
func (w *Webhooks) ReleaseWebhooks(ctx context.Context, holder string) error {
	return w.repeatable(ctx, releaseSQL, claimPrefix+holder)
}

// WebhookTarget returns what calls of a webhook need, or ErrNotFound.
func (w *Webhooks) WebhookTarget(ctx context.Context, id string) (t domain.WebhookTarget, err error) {
	if isStream(id) {
		return t, domain.ErrNotFound
	}
	err = w.db.Read(ctx, func(ctx context.Context) error {
		err := w.db.Pool.QueryRow(ctx, targetSQL, id).Scan(targetOf(&t)...)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return t, err
}

// targetOf returns where the columns of target are scanned to.
func targetOf(t *domain.WebhookTarget) []any {
	return []any{
		&t.WebhookID, &t.URL, &t.State, &t.Types, &t.ConversationIDs, &t.Recipients,
		&t.Tracks[domain.NotifyTrack], &t.Tracks[domain.ReportTrack], &t.Secrets,
	}
}

const (
	// The position moves with the lanes, or not at all.
	advanceSQL = `UPDATE webhooks SET position = $3 WHERE webhook_id = $1 AND turn = $2 RETURNING conversation_ids, types`

	// A lane that exists goes on to the new head by itself.
	owedSQL = `
INSERT INTO webhook_lanes AS l (webhook_id, conversation_id, next_seq, head_seq, due_at)
SELECT $1, h.id, h.first_seq, h.head_seq, clock_timestamp() + $6::interval
FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS h (id, first_seq, head_seq)
WHERE $5::uuid[] IS NULL OR h.id = ANY ($5)
ORDER BY h.id
ON CONFLICT (webhook_id, conversation_id) DO UPDATE SET head_seq = excluded.head_seq WHERE l.head_seq < excluded.head_seq`

	repairSQL = `
UPDATE webhooks SET epoch = $3, position = $4, walk_since = least(walk_since, to_timestamp($5::bigint)),
	walked_id = '00000000-0000-0000-0000-000000000000'
WHERE webhook_id = $1 AND turn = $2 RETURNING true`
)

// repairMargin is how much older than a position the events are that a repair repeats: a
// commit may become visible some seconds after the time of its events, and the clock of
// another server may differ.
const repairMargin = 10 * time.Minute

// positionInterval is how old a stored position gets though nothing is committed.
const positionInterval = 30 * time.Second

// ErrLeaseLost means that another node holds the webhook.
var ErrLeaseLost = domain.ErrConflict.WithMessage("another node delivers for the webhook")

// FeedWebhook makes lanes of what was committed since h.Position, and moves h.Position. It
// reports whether there was something. If the feed does not reach back that far, or the
// epoch is another one, the lanes are made from the log (WalkWebhook). The error is
// ErrLeaseLost if another node has taken the lease. Lanes of notifications are due after the
// delay of the rules.
func (w *Webhooks) FeedWebhook(ctx context.Context, h *domain.HeldWebhook, rules domain.NotifyRules) (some bool, err error) {
	page, err := w.changes.Feed(ctx, h.Position)
	if errors.Is(err, domain.ErrCursorInvalid) || err == nil && page.Epoch != h.Epoch {
		return true, w.repair(ctx, h)
	}
	if err != nil {
		return false, err
	}
	if len(page.Heads) == 0 && feed.Span(h.Position, page.Position) < positionInterval {
		return false, nil // the next read of the feed is as cheap from the old position
	}
	slices.SortFunc(page.Heads, func(a, b domain.FeedHead) int { return bytes.Compare(a.ConversationID[:], b.ConversationID[:]) })
	for left := page.Heads; ; {
		chunk := left[:min(feedChunk, len(left))]
		position := h.Position
		if left = left[len(chunk):]; len(left) == 0 {
			position = page.Position
		}
		if err := w.owe(ctx, h, rules.Delay, chunk, position); err != nil {
			return false, err
		}
		if h.Position = position; len(left) == 0 {
			return len(page.Heads) > 0, nil
		}
	}
}

// feedChunk is how many lanes are written in one transaction.
const feedChunk = 5000

// owe makes lanes, and moves the position.
func (w *Webhooks) owe(ctx context.Context, h *domain.HeldWebhook, delay time.Duration, heads []domain.FeedHead, position domain.FeedPosition) error {
	ids, firsts, tops := make([]domain.ConversationID, len(heads)), make([]int64, len(heads)), make([]int64, len(heads))
	for i, head := range heads {
		ids[i], firsts[i], tops[i] = head.ConversationID, head.First, head.Head
	}
	return w.held(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var only []domain.ConversationID
		var types []domain.EventType
		if err := tx.QueryRow(ctx, advanceSQL, h.WebhookID, h.Turn, string(position)).Scan(&only, &types); err != nil {
			return err
		}
		if domain.EventTrack.WantedBy(types) {
			if _, err := tx.Exec(ctx, owedSQL, h.Tracks[domain.EventTrack], ids, firsts, tops, only, time.Duration(0)); err != nil {
				return err
			}
		}
		if domain.NotifyTrack.WantedBy(types) {
			if _, err := tx.Exec(ctx, owedSQL, h.Tracks[domain.NotifyTrack], ids, firsts, tops, only, delay); err != nil {
				return err
			}
		}
		return nil
	})
}

// held is write for the holder of a lease.
func (w *Webhooks) held(ctx context.Context, run func(context.Context, pgx.Tx) error) error {
	err := w.write(ctx, run)
	if errors.Is(err, domain.ErrNotFound) {
		return ErrLeaseLost
	}
	return err
}

// repair goes on from the present position, and begins a walk through the log from the time
// of the old one.
func (w *Webhooks) repair(ctx context.Context, h *domain.HeldWebhook) error {
	page, err := w.changes.Feed(ctx, "")
	if err != nil {
		return err
	}
	from := feed.TakenAt(h.Position).Add(-repairMargin)
	w.db.Logger.Warn("the feed does not reach back to the position of a webhook, or a new epoch has begun: its events are looked for in the log",
		"webhook", h.WebhookID, "since", from)
	err = w.held(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var done bool
		return tx.QueryRow(ctx, repairSQL, h.WebhookID, h.Turn, page.Epoch, string(page.Position), from.Unix()).Scan(&done)
	})
	if err == nil {
		h.Epoch, h.Position, h.Walking = page.Epoch, page.Position, true
	}
	return err
}

// walkChunk is how many conversations a walk goes through at once.
const walkChunk = 500

const (
	walkingSQL = `
SELECT walked_id, walk_since, conversation_ids, types FROM webhooks
WHERE webhook_id = $1 AND turn = $2 AND walk_since IS NOT NULL FOR NO KEY UPDATE`

	// Times before 1970 stand for the beginning.
	walkSQL = `
WITH chunk AS MATERIALIZED (
	SELECT id, head_seq, last_at FROM conversations
	WHERE id > $2 AND ($4::uuid[] IS NULL OR id = ANY ($4)) ORDER BY id LIMIT $5
), made AS (
	INSERT INTO webhook_lanes AS l (webhook_id, conversation_id, next_seq, head_seq, due_at)
	SELECT $1, c.id, CASE WHEN $3::timestamptz < '1970-01-01' THEN 1 ELSE coalesce((
		SELECT seq FROM events WHERE conversation_id = c.id AND at < $3 ORDER BY seq DESC LIMIT 1
	), 0) + 1 END, c.head_seq, clock_timestamp()
	FROM chunk c WHERE c.last_at >= $3 ORDER BY c.id
	` + orEarlier + `
)
SELECT count(*), (SELECT id FROM chunk ORDER BY id DESC LIMIT 1) FROM chunk`

	walkedSQL = `UPDATE webhooks SET walked_id = $2, walk_since = CASE WHEN $3 THEN walk_since END WHERE webhook_id = $1`
)

// WalkWebhook makes lanes of the next conversations of a walk through the log, and reports
// whether more are left. Lanes of notifications are made of what is not too old for them.
func (w *Webhooks) WalkWebhook(ctx context.Context, h *domain.HeldWebhook, rules domain.NotifyRules) (more bool, err error) {
	err = w.held(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var after uuid.UUID
		var since time.Time
		var only []domain.ConversationID
		var types []domain.EventType
		err := tx.QueryRow(ctx, walkingSQL, h.WebhookID, h.Turn).Scan(&after, &since, &only, &types)
		if pg.NoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		var count int
		var last *uuid.UUID
		walk := func(track domain.WebhookTrack, since time.Time) error {
			if !track.WantedBy(types) {
				return nil
			}
			return tx.QueryRow(ctx, walkSQL, h.Tracks[track], after, since, only, walkChunk).Scan(&count, &last)
		}
		if err := walk(domain.EventTrack, since); err != nil {
			return err
		}
		if young := time.Now().Add(-rules.Within - time.Minute); since.Before(young) { // the clocks may differ
			since = young
		}
		if err := walk(domain.NotifyTrack, since); err != nil {
			return err
		}
		if more = count == walkChunk; last == nil {
			last = &after
		}
		_, err = tx.Exec(ctx, walkedSQL, h.WebhookID, *last, more)
		return err
	})
	if err == nil {
		h.Walking = more
	}
	return more, err
}

// The time is a subquery, because only then the index is gone through up to it.
//
// A walk may let a lane begin earlier. Until it has passed the conversation, the lane could
// send a later event first.
const dueSQL = `
SELECT conversation_id, next_seq, head_seq, attempts, part, after_user, upto_user FROM webhook_lanes
WHERE webhook_id = $1 AND due_at <= (SELECT clock_timestamp()) AND NOT conversation_id = ANY ($2::uuid[])
	AND conversation_id <= coalesce(
		(SELECT walked_id FROM webhooks WHERE webhook_id = $4 AND walk_since IS NOT NULL), 'ffffffff-ffff-ffff-ffff-ffffffffffff'
	)
ORDER BY due_at LIMIT $3`

// DueLanes returns the lanes of a track that are due, without those of some conversations.
// Lanes of events wait for a walk through the log. Those of notifications do not: they
// would become too old.
func (w *Webhooks) DueLanes(
	ctx context.Context, t *domain.WebhookTarget, track domain.WebhookTrack, without []domain.ConversationID, limit int,
) ([]domain.WebhookLane, error) {
	var walking *string
	if track == domain.EventTrack {
		walking = &t.WebhookID
	}
	return pg.ReadAll(ctx, w.db, func(row pgx.CollectableRow) (domain.WebhookLane, error) {
		l := domain.WebhookLane{WebhookID: t.WebhookID, Track: track, TrackID: t.Tracks[track]}
		err := row.Scan(&l.ConversationID, &l.Next, &l.Head, &l.Attempts, &l.Part.Number, &l.Part.After, &l.Part.Upto)
		if l.Part.Number == 0 { // the members are those of an earlier message
			l.Part = domain.NotifyPart{}
		}
		return l, err
	}, dueSQL, t.Tracks[track], without, limit, walking)
}

const owedEventSQL = `
SELECT e.conversation_id, e.seq, e.type, e.sender, coalesce(e.client_msg_id, ''), e.at, e.body::text
FROM webhooks w, events e
WHERE w.webhook_id = $4 AND e.conversation_id = $1 AND e.seq >= $2 AND e.seq <= $3 AND (w.types IS NULL OR e.type = ANY (w.types))
ORDER BY e.seq LIMIT 1`

// OwedEvent returns the next event of a lane that has one of the types of the webhook, as it
// is in the log now; nil if there is none. The types are those of now, too: they may have
// become more since the worker of the lane has read them.
func (w *Webhooks) OwedEvent(ctx context.Context, l domain.WebhookLane) (*domain.Event, error) {
	list, err := pg.ReadAll(ctx, w.db, pg.ScanEvent, owedEventSQL, l.ConversationID, l.Next, l.Head, l.WebhookID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

const owedEventsSQL = `
SELECT conversation_id, seq, type, sender, client_msg_id, at, body, kind FROM (
	SELECT *, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT e.conversation_id, e.seq, e.type, e.sender, coalesce(e.client_msg_id, '') AS client_msg_id, e.at, e.body::text AS body, c.kind,
			octet_length(e.body::text) AS size
		FROM events e, conversations c
		WHERE e.conversation_id = $1 AND c.id = $1 AND e.seq >= $2 AND e.seq <= $3
		ORDER BY e.seq LIMIT $4
	) range
) e WHERE total <= $5 OR total = size
ORDER BY seq`

// OwedEvents returns the next events of a lane of the event stream, as they are in the log
// now: at most limit, and one or domain.PageBytes.
func (w *Webhooks) OwedEvents(ctx context.Context, l domain.WebhookLane, limit int) ([]domain.OwedEvent, error) {
	return pg.ReadAll(ctx, w.db, func(row pgx.CollectableRow) (e domain.OwedEvent, err error) {
		e.Event, err = pg.ScanEventAnd(row, &e.Kind)
		return e, err
	}, owedEventsSQL, l.ConversationID, l.Next, l.Head, limit, domain.PageBytes)
}

// The statements of lanes change a lane only as its sender has read it.
const (
	takenSQL = `
WITH cleared AS (
	DELETE FROM webhook_failures WHERE webhook_id = $1 AND conversation_id = $2 AND seq BETWEEN greatest($3::bigint, $5::bigint) AND $4
)
UPDATE webhook_lanes SET next_seq = $4 + 1, attempts = 0, part = 0
WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq = $3 RETURNING head_seq`

	// doneSQL is takenSQL and endedSQL in one, if nothing was committed in between.
	doneSQL = `
WITH cleared AS (
	DELETE FROM webhook_failures WHERE webhook_id = $1 AND conversation_id = $2 AND seq BETWEEN $3 AND $4
)
DELETE FROM webhook_lanes WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq = $3 AND head_seq = $4 RETURNING head_seq`

	endedSQL = `DELETE FROM webhook_lanes WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq > head_seq`

	refusedSQL = `
UPDATE webhook_lanes SET next_seq = $4, attempts = attempts + 1, attempted_at = clock_timestamp(), status = $5, duration_ms = $6, error = $7,
	due_at = clock_timestamp() + $9::interval, part = CASE WHEN next_seq = $4 THEN part ELSE 0 END
WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq = $3 AND attempts = $8 RETURNING head_seq`

	failedSQL = `
WITH moved AS (
	UPDATE webhook_lanes SET next_seq = $4 + 1, attempts = 0
	WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq = $3 AND attempts = $8
	RETURNING head_seq
), noted AS (
	INSERT INTO webhook_failures AS f (webhook_id, conversation_id, seq, attempts, status, duration_ms, error)
	SELECT $1, $2, $4, $8 + 1, $5, $6, $7 FROM moved
	ON CONFLICT (webhook_id, conversation_id, seq) DO UPDATE SET
		failed_at = excluded.failed_at, attempts = excluded.attempts, status = excluded.status, duration_ms = excluded.duration_ms, error = excluded.error
)
SELECT head_seq FROM moved`
)

// LaneTaken notes that the events of a lane up to a seq are done. It moves the lane, and
// reports whether more is owed. The error is ErrConflict if the lane has changed since it
// was read.
func (w *Webhooks) LaneTaken(ctx context.Context, l *domain.WebhookLane, seq int64) (more bool, err error) {
	first := seq
	if isStream(l.WebhookID) {
		first = l.Next // all of them were sent
		if seq == l.Head {
			if _, err := w.change(ctx, doneSQL, nil, l.TrackID, l.ConversationID, l.Next, seq); !errors.Is(err, domain.ErrConflict) {
				return false, err
			}
		}
	}
	return w.move(ctx, l, seq, takenSQL, l.TrackID, l.ConversationID, l.Next, seq, first)
}

// LaneFailed notes that the last attempt has failed: the lane goes on with the next event.
func (w *Webhooks) LaneFailed(ctx context.Context, l *domain.WebhookLane, a domain.WebhookAttempt) (more bool, err error) {
	return w.move(ctx, l, a.Seq, failedSQL, l.TrackID, l.ConversationID, l.Next, a.Seq, a.Status, a.Duration.Milliseconds(), a.Error, l.Attempts)
}

// LaneRefused notes that an attempt has failed, and lets the next one be due after a time.
func (w *Webhooks) LaneRefused(ctx context.Context, l *domain.WebhookLane, a domain.WebhookAttempt, after time.Duration) error {
	head, err := w.change(ctx, refusedSQL, nil, l.TrackID, l.ConversationID, l.Next, a.Seq, a.Status, a.Duration.Milliseconds(), a.Error, l.Attempts, after)
	if err == nil {
		l.Next, l.Head = a.Seq, head
	}
	return err
}

func (w *Webhooks) move(ctx context.Context, l *domain.WebhookLane, seq int64, sql string, args ...any) (more bool, err error) {
	head, err := w.change(ctx, sql, nil, args...)
	if err != nil {
		return false, err
	}
	l.Next, l.Head, l.Attempts, l.Part = seq+1, head, 0, domain.NotifyPart{}
	if l.Next <= l.Head {
		return true, nil
	}
	// What was committed in between has raised the head of the lane, which then stays.
	return false, w.repeatable(ctx, endedSQL, l.TrackID, l.ConversationID)
}

// repeatable runs a statement that has the same effect when it runs again.
func (w *Webhooks) repeatable(ctx context.Context, sql string, args ...any) error {
	return w.db.Read(ctx, func(ctx context.Context) error {
		_, err := w.db.Pool.Exec(ctx, sql, args...)
		return err
	})
}

// change runs a statement that returns the head of the lane, and more, if the lane is as it
// was read.
func (w *Webhooks) change(ctx context.Context, sql string, more []any, args ...any) (head int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	err = w.db.Pool.QueryRow(ctx, sql, args...).Scan(append([]any{&head}, more...)...)
	if pg.NoRows(err) {
		return 0, domain.ErrConflict
	}
	w.db.ResetIfBroken(err)
	return head, pg.Translate(err)
}

const disableSQL = `
UPDATE webhooks SET state = 'disabled', disabled_reason = $4 WHERE webhook_id = $1 AND turn = $2 AND url = $3`

// DisableWebhook disables a webhook, unless its URL has changed or another node holds it.
func (w *Webhooks) DisableWebhook(ctx context.Context, h domain.HeldWebhook, reason string) error {
	return w.repeatable(ctx, disableSQL, h.WebhookID, h.Turn, h.URL, reason)
}
