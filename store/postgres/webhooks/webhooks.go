package webhooks

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
)

// Webhooks reads and writes webhooks and the event stream. It is safe for concurrent use.
type Webhooks struct {
	db      *pg.DB
	changes *feed.Changes
}

// New returns the webhooks in db.
func New(db *pg.DB, changes *feed.Changes) *Webhooks { return &Webhooks{db: db, changes: changes} }

const (
	columns = `webhook_id, url, types, conversation_ids, CASE WHEN 'message.notify' = ANY (types) THEN recipients ELSE '' END,
	description, state, disabled_reason, created_at`

	insertSQL = `
INSERT INTO webhooks (webhook_id, epoch, position, walk_since, url, types, conversation_ids, recipients, description, secret)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
WHERE (SELECT count(*) FROM webhooks WHERE webhook_id <> $12) < $11 AND ($4::timestamptz IS NULL OR $4 <= clock_timestamp())
RETURNING ` + columns

	listSQL = `SELECT ` + columns + ` FROM webhooks WHERE webhook_id > $1 AND webhook_id <> $3 ORDER BY webhook_id LIMIT $2`

	oneSQL = `SELECT ` + columns + ` FROM webhooks WHERE webhook_id = $1`
)

// secretBytes is the length of the secrets that are made here.
const secretBytes = 32

func newSecret() string {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // it never fails
	return domain.WebhookSecret(key)
}

// CreateWebhook creates a webhook, and returns it with its secret. It gets the events that
// are committed from now on, and those since n.Since. The error is ErrLimitExceeded if
// there are domain.MaxWebhooks.
func (w *Webhooks) CreateWebhook(ctx context.Context, n domain.NewWebhook) (domain.Webhook, error) {
	page, err := w.changes.Feed(ctx, "")
	if err != nil {
		return domain.Webhook{}, err
	}
	if n.Secret == "" {
		n.Secret = newSecret()
	}
	if n.Since != nil && n.Since.After(time.Now().Add(time.Minute)) {
		return domain.Webhook{}, domain.Invalid("/from", "must not be in the future")
	}
	made, err := w.one(ctx, insertSQL, uuid.Must(uuid.NewV7()), page.Epoch, string(page.Position), since(n.Since),
		n.URL, texts(n.Types), n.ConversationIDs, string(cmp.Or(n.Recipients, domain.RecipientsAll)), n.Description, n.Secret, domain.MaxWebhooks, domain.StreamID)
	if pg.NoRows(err) {
		return made, domain.ErrLimitExceeded.WithMessage("there are too many webhooks")
	}
	made.Secret = n.Secret
	return made, pg.Translate(err)
}

// since returns the parameter of a time; nil for none.
func since(t *domain.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

func texts(types []domain.EventType) []string {
	if types == nil {
		return nil
	}
	list := make([]string, len(types))
	for i, t := range types {
		list[i] = string(t)
	}
	return list
}

// one runs a statement that returns one webhook. It is not run again, because it may write.
func (w *Webhooks) one(ctx context.Context, sql string, args ...any) (domain.Webhook, error) {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	rows, err := w.db.Pool.Query(ctx, sql, args...)
	if err != nil {
		return domain.Webhook{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scan)
}

// found is one for a statement about a webhook that may not exist.
func (w *Webhooks) found(ctx context.Context, sql string, args ...any) (domain.Webhook, error) {
	hook, err := w.one(ctx, sql, args...)
	if pg.NoRows(err) {
		return hook, domain.ErrNotFound
	}
	return hook, pg.Translate(err)
}

func scan(row pgx.CollectableRow) (h domain.Webhook, err error) {
	var id uuid.UUID
	var created time.Time
	err = row.Scan(&id, &h.URL, &h.Types, &h.ConversationIDs, &h.Recipients, &h.Description, &h.State, &h.DisabledReason, &created)
	h.WebhookID, h.CreatedAt = id.String(), domain.TimeOf(created)
	return h, err
}

// ListWebhooks lists all webhooks, the oldest first.
func (w *Webhooks) ListWebhooks(ctx context.Context, cursor string, limit int) (page domain.Page[domain.Webhook], err error) {
	var after uuid.UUID
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorWebhooks, cursor)
		after = r.UUID()
		if err := r.Err(); err != nil {
			return page, err
		}
	}
	list, err := pg.ReadAll(ctx, w.db, scan, listSQL, after, limit+1, domain.StreamID)
	if err != nil {
		return page, err
	}
	return pg.KeysetPage(list, limit, pg.CursorWebhooks, func(c *pg.CursorWriter, last domain.Webhook) {
		c.UUID(uuid.MustParse(last.WebhookID))
	}), nil
}

// Webhook returns a webhook, or ErrNotFound.
func (w *Webhooks) Webhook(ctx context.Context, id string) (domain.Webhook, error) {
	if isStream(id) {
		return domain.Webhook{}, domain.ErrNotFound
	}
	return w.found(ctx, oneSQL, id)
}

// A webhook that is enabled again gets what it is owed at once. Another filter of
// conversations drops the lanes of the others; types without one of a track drop the track.
// New types end the lease of a node of the version before, which knows one track only.
const (
	updateSQL = `
UPDATE webhooks SET url = coalesce($2, url), state = coalesce($3, state),
	disabled_reason = CASE WHEN $3 IS NULL THEN disabled_reason ELSE '' END,
	types = CASE WHEN $4 THEN $5 ELSE types END,
	conversation_ids = CASE WHEN $6 THEN $7 ELSE conversation_ids END,
	description = CASE WHEN $8 THEN $9 ELSE description END, recipients = coalesce($10, recipients),
	turn = turn + CASE WHEN $4 AND holder NOT LIKE '2:%' THEN 1 ELSE 0 END,
	held_until = CASE WHEN $4 AND holder NOT LIKE '2:%' THEN '-infinity' ELSE held_until END
WHERE webhook_id = $1 RETURNING ` + columns

	// tracks are the tracks of the webhook w, and whether it asks for them.
	tracks = `(VALUES
		(w.webhook_id, 0, w.types IS NULL OR NOT w.types <@ '{message.notify,report.created}'),
		(w.notify_track, 1, 'message.notify' = ANY (w.types)),
		(w.report_track, 2, 'report.created' = ANY (w.types))
	) t (id, n, wanted)`

	dueNowSQL = `
UPDATE webhook_lanes SET attempts = 0, due_at = clock_timestamp()
WHERE webhook_id IN (SELECT t.id FROM webhooks w CROSS JOIN LATERAL ` + tracks + ` WHERE w.webhook_id = $1) AND attempts > 0`

	dropLanesSQL = `
DELETE FROM webhook_lanes
WHERE webhook_id IN (SELECT t.id FROM webhooks w CROSS JOIN LATERAL ` + tracks + ` WHERE w.webhook_id = $1 AND t.n < 2)
	AND NOT conversation_id = ANY ($2::uuid[])`

	dropTracksSQL = `
DELETE FROM webhook_lanes
WHERE webhook_id IN (SELECT t.id FROM webhooks w CROSS JOIN LATERAL ` + tracks + ` WHERE w.webhook_id = $1 AND NOT coalesce(t.wanted, false))`
)

// UpdateWebhook changes a webhook. The error is ErrNotFound if there is none.
func (w *Webhooks) UpdateWebhook(ctx context.Context, id string, p domain.WebhookPatch) (hook domain.Webhook, err error) {
	if isStream(id) {
		return hook, domain.ErrNotFound
	}
	var types []string
	if p.Types.Value != nil {
		types = texts(*p.Types.Value)
	}
	var conversations []domain.ConversationID
	if p.ConversationIDs.Value != nil {
		conversations = *p.ConversationIDs.Value
	}
	description := ""
	if p.Description.Value != nil {
		description = *p.Description.Value
	}
	err = w.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, updateSQL, id, p.URL, p.State, p.Types.Set, types, p.ConversationIDs.Set, conversations,
			p.Description.Set, description, p.Recipients)
		if err != nil {
			return err
		}
		if hook, err = pgx.CollectExactlyOneRow(rows, scan); err != nil {
			return err
		}
		if p.State != nil && *p.State == domain.WebhookEnabled {
			if _, err := tx.Exec(ctx, dueNowSQL, id); err != nil {
				return err
			}
		}
		if p.Types.Set {
			if _, err := tx.Exec(ctx, dropTracksSQL, id); err != nil {
				return err
			}
		}
		if conversations != nil {
			_, err = tx.Exec(ctx, dropLanesSQL, id, conversations)
		}
		return err
	})
	return hook, err
}

// write runs a transaction about one webhook. The error is ErrNotFound if a statement finds
// no row.
func (w *Webhooks) write(ctx context.Context, run func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	err := pgx.BeginTxFunc(ctx, w.db.Pool, pgx.TxOptions{BeginQuery: pg.BeginWrite}, func(tx pgx.Tx) error { return run(ctx, tx) })
	if pg.NoRows(err) {
		return domain.ErrNotFound
	}
	w.db.ResetIfBroken(err)
	return pg.Translate(err)
}

// A trigger deletes what the webhook is owed.
const deleteSQL = `DELETE FROM webhooks WHERE webhook_id = $1 RETURNING true`

// DeleteWebhook deletes a webhook and all that it is owed. The error is ErrNotFound if there
// is none.
func (w *Webhooks) DeleteWebhook(ctx context.Context, id string) error {
	if isStream(id) {
		return domain.ErrNotFound
	}
	return w.remove(ctx, id)
}

func (w *Webhooks) remove(ctx context.Context, id string) error {
	return w.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var deleted bool
		return tx.QueryRow(ctx, deleteSQL, id).Scan(&deleted)
	})
}

const rotateSQL = `
UPDATE webhooks SET former_secret = secret, secret = $2, rotated_until = clock_timestamp() + interval '24 hours'
WHERE webhook_id = $1 RETURNING ` + columns

// RotateWebhook gives a webhook a new secret, and returns it. The former one signs as well
// for 24 hours.
func (w *Webhooks) RotateWebhook(ctx context.Context, id string) (domain.Webhook, error) {
	if isStream(id) {
		return domain.Webhook{}, domain.ErrNotFound
	}
	secret := newSecret()
	hook, err := w.found(ctx, rotateSQL, id, secret)
	hook.Secret = secret
	return hook, err
}

const (
	replaySinceSQL = `
UPDATE webhooks SET walk_since = least(walk_since, $2), walked_id = '00000000-0000-0000-0000-000000000000'
WHERE webhook_id = $1 RETURNING true`

	replayOneSQL = `
WITH hook AS (
	SELECT * FROM webhooks WHERE webhook_id = $1 AND (conversation_ids IS NULL OR $2 = ANY (conversation_ids)) FOR NO KEY UPDATE
), conversation AS (
	SELECT id, head_seq FROM conversations WHERE id = $2
), made AS (
	INSERT INTO webhook_lanes AS l (webhook_id, conversation_id, next_seq, head_seq, due_at)
	SELECT t.id, c.id, $3::bigint + 1, c.head_seq, clock_timestamp()
	FROM hook w CROSS JOIN LATERAL ` + tracks + ` CROSS JOIN conversation c WHERE t.wanted AND t.n < 2 AND c.head_seq > $3
	` + orEarlier + `
)
SELECT true FROM hook CROSS JOIN conversation`

	// orEarlier lets a lane that exists begin earlier.
	orEarlier = `ON CONFLICT (webhook_id, conversation_id) DO UPDATE SET
		next_seq = least(l.next_seq, excluded.next_seq), head_seq = greatest(l.head_seq, excluded.head_seq),
		attempts = CASE WHEN excluded.next_seq < l.next_seq THEN 0 ELSE l.attempts END,
		part = CASE WHEN excluded.next_seq < l.next_seq THEN 0 ELSE l.part END,
		due_at = CASE WHEN excluded.next_seq < l.next_seq THEN excluded.due_at ELSE l.due_at END`
)

// ReplayWebhook lets a webhook get events again. The error is ErrNotFound if there is no
// such webhook, or no such conversation among those that it gets.
func (w *Webhooks) ReplayWebhook(ctx context.Context, id string, r domain.WebhookReplay) error {
	if isStream(id) {
		return domain.ErrNotFound
	}
	return w.replay(ctx, id, r)
}

func (w *Webhooks) replay(ctx context.Context, id string, r domain.WebhookReplay) error {
	return w.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var done bool
		if r.Since != nil {
			return tx.QueryRow(ctx, replaySinceSQL, id, r.Since.Time).Scan(&done)
		}
		return tx.QueryRow(ctx, replayOneSQL, id, r.ConversationID, *r.AfterSeq).Scan(&done)
	})
}
