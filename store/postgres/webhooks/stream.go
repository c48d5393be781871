package webhooks

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// The event stream is a row of webhooks with the id domain.StreamID.
//
//	state   | what happens                                             | next
//	no row  | nothing is owed                                          | held, when a node with IM_EVENTS_URL starts
//	held    | lanes are made and sent                                  | resting, when no such node is left
//	resting | no lane is made; the position and the lanes stay as they | held, when such a node starts: what was
//	        | are, however much is committed                           | committed since the position is looked for
//
// DropStream leads from any state to the first one.

// isStream reports whether an id, in any of its spellings, is that of the event stream.
func isStream(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == domain.StreamID
}

// A second node that starts at the same time changes nothing. A stream that is made after
// another one was dropped has the same id, so its turns must be above all former ones: turn
// begins with the time in milliseconds.
const makeStreamSQL = `
INSERT INTO webhooks (webhook_id, epoch, position, walk_since, url, description, secret, turn)
VALUES ($1, $2, $3, $4, '', '', '', (extract(epoch FROM clock_timestamp()) * 1000)::bigint) ON CONFLICT DO NOTHING`

// MakeStream makes the event stream, unless it exists. A new one gets the events that are
// committed from now on, and those since a time if that is not nil.
func (w *Webhooks) MakeStream(ctx context.Context, from *domain.Time) error {
	page, err := w.changes.Feed(ctx, "")
	if err != nil {
		return err
	}
	return w.repeatable(ctx, makeStreamSQL, domain.StreamID, page.Epoch, string(page.Position), since(from))
}

// DropStream forgets the event stream: its position, and all that it is owed. The error is
// ErrNotFound if there is none.
func (w *Webhooks) DropStream(ctx context.Context) error { return w.remove(ctx, domain.StreamID) }

// ReplayStream lets the event stream get events again.
func (w *Webhooks) ReplayStream(ctx context.Context, r domain.WebhookReplay) error {
	return w.replay(ctx, domain.StreamID, r)
}

const streamSQL = `SELECT created_at, walk_since IS NOT NULL, held_until > clock_timestamp() FROM webhooks WHERE webhook_id = $1`

const streamGapsSQL = `
SELECT conversation_id, seq, error, failed_at FROM webhook_failures WHERE webhook_id = $1 ORDER BY conversation_id, seq LIMIT $2`

// streamGaps is how many failed events StreamStatus lists.
const streamGaps = 100

// StreamStatus returns how far the event stream is. The error is ErrNotFound if there is
// none.
func (w *Webhooks) StreamStatus(ctx context.Context) (s domain.StreamStatus, err error) {
	err = w.db.Read(ctx, func(ctx context.Context) error {
		var created time.Time
		err := w.db.Pool.QueryRow(ctx, streamSQL, domain.StreamID).Scan(&created, &s.Walking, &s.Held)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		s.CreatedAt = domain.TimeOf(created)
		return err
	})
	if err != nil {
		return s, err
	}
	owed, err := w.WebhookOwed(ctx, domain.StreamID)
	if err != nil {
		return s, err
	}
	events := owed[domain.EventTrack]
	s.Lanes, s.Events, s.OldestS = events.Lanes, events.Events, events.Oldest.Seconds()
	s.Failed, err = pg.ReadAll(ctx, w.db, func(row pgx.CollectableRow) (g domain.StreamGap, err error) {
		err = row.Scan(&g.ConversationID, &g.Seq, &g.Error, &g.FailedAt)
		return g, err
	}, streamGapsSQL, domain.StreamID, streamGaps)
	return s, err
}
