package webhooks

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// Waiting deliveries come after failed ones in the list; events come before what else a
// webhook gets.
const deliveriesSQL = `
SELECT d.state, d.track, d.id, d.seq, r.conversation_id, r.seq, d.attempts, d.status, d.duration_ms, d.error, d.attempted_at, d.next_at
FROM (
	SELECT d.*, t.n AS track FROM webhooks w CROSS JOIN LATERAL ` + tracks + ` CROSS JOIN LATERAL (
		(
			SELECT 'failed' AS state, conversation_id AS id, seq, attempts, status, duration_ms, error, failed_at AS attempted_at,
				NULL::timestamptz AS next_at
			FROM webhook_failures
			WHERE webhook_id = t.id AND $2 IN ('', 'failed') AND $3 <= 'failed'
				AND ($3 <> 'failed' OR t.n > $4 OR t.n = $4 AND (conversation_id, seq) > ($5::uuid, $6::bigint))
			ORDER BY conversation_id, seq LIMIT $7
		) UNION ALL (
			SELECT 'waiting', conversation_id, next_seq, attempts, status, duration_ms, error, attempted_at, due_at
			FROM webhook_lanes
			WHERE webhook_id = t.id AND $2 IN ('', 'waiting') AND next_seq <= head_seq
				AND ($3 <> 'waiting' OR t.n > $4 OR t.n = $4 AND conversation_id > $5)
			ORDER BY conversation_id LIMIT $7
		)
	) d
	WHERE w.webhook_id = $1
	ORDER BY d.state, t.n, d.id, d.seq LIMIT $7
) d
LEFT JOIN reports r ON d.track = 2 AND r.report_id = d.id
ORDER BY d.state, d.track, d.id, d.seq`

// delivery is a row of deliveriesSQL.
type delivery struct {
	domain.Delivery

	track domain.WebhookTrack
	id    uuid.UUID // of the conversation, or of the report
	seq   int64
}

// WebhookDeliveries lists what a webhook has not taken, in a state or, for "", in any. The
// error is ErrNotFound if there is no such webhook.
func (w *Webhooks) WebhookDeliveries(
	ctx context.Context, id string, state domain.DeliveryState, cursor string, limit int,
) (page domain.Page[domain.Delivery], err error) {
	if _, err := w.Webhook(ctx, id); err != nil {
		return page, err
	}
	var last struct {
		state string
		track int64
		id    uuid.UUID
		seq   int64
	}
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorDeliveries, cursor)
		last.state, last.track, last.id, last.seq = r.Text(), int64(r.Number()), r.UUID(), int64(r.Number())
		if err := r.Err(); err != nil {
			return page, err
		}
	}
	list, err := pg.ReadAll(ctx, w.db, scanDelivery, deliveriesSQL, id, string(state), last.state, last.track, last.id, last.seq, limit+1)
	if err != nil {
		return page, err
	}
	rows := pg.KeysetPage(list, limit, pg.CursorDeliveries, func(c *pg.CursorWriter, d delivery) {
		c.Text(string(d.State))
		c.Number(uint64(d.track))
		c.UUID(d.id)
		c.Number(uint64(d.seq))
	})
	page.NextCursor, page.Items = rows.NextCursor, make([]domain.Delivery, len(rows.Items))
	for i, d := range rows.Items {
		page.Items[i] = d.Delivery
	}
	return page, nil
}

func scanDelivery(row pgx.CollectableRow) (d delivery, err error) {
	var attempted, next *time.Time
	var conversation *domain.ConversationID // of a report
	var seq *int64
	err = row.Scan(&d.State, &d.track, &d.id, &d.seq, &conversation, &seq, &d.Attempts, &d.Status, &d.DurationMS, &d.Error, &attempted, &next)
	if err != nil {
		return d, err
	}
	d.Type = d.track.Type()
	switch {
	case d.track != domain.ReportTrack:
		d.ConversationID, d.Seq = domain.ConversationID(d.id), d.seq
	case conversation != nil:
		d.ReportID, d.ConversationID, d.Seq = d.id.String(), *conversation, *seq
	default: // the report was deleted by now
		d.ReportID = d.id.String()
	}
	if attempted != nil {
		d.AttemptedAt = new(domain.TimeOf(*attempted))
	}
	if next != nil {
		d.NextAttemptAt = new(domain.TimeOf(*next))
	}
	if d.State == domain.DeliveryWaiting && d.Attempts == 0 { // of an earlier event
		d.Status, d.DurationMS, d.Error, d.AttemptedAt = 0, 0, "", nil
	}
	return d, nil
}
