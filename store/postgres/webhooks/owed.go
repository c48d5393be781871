package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/reports"
)

const reportSQL = `SELECT ` + reports.Columns + ` FROM reports WHERE report_id = $1`

// OwedReport returns the report of a lane, as it is now; nil if it was deleted.
func (w *Webhooks) OwedReport(ctx context.Context, l domain.WebhookLane) (*domain.Report, error) {
	list, err := pg.ReadAll(ctx, w.db, reports.Scan, reportSQL, l.ConversationID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// owedLanes bounds the lanes that are counted.
const owedLanes = 10_000

const owedTracksSQL = `
SELECT count(l.*), coalesce(sum(l.head_seq - l.next_seq + 1), 0)::bigint,
	greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(coalesce(e.at, r.created_at))), 0))::float8
FROM webhooks w CROSS JOIN LATERAL ` + tracks + ` LEFT JOIN LATERAL (
	SELECT conversation_id, next_seq, head_seq FROM webhook_lanes
	WHERE webhook_id = t.id AND next_seq <= head_seq AND t.wanted ORDER BY due_at LIMIT $2
) l ON true
LEFT JOIN events e ON t.n < 2 AND e.conversation_id = l.conversation_id AND e.seq = l.next_seq
LEFT JOIN reports r ON t.n = 2 AND r.report_id = l.conversation_id
WHERE w.webhook_id = $1 GROUP BY t.n ORDER BY t.n`

// WebhookOwed returns how much each track of a webhook is owed, of 10,000 lanes at most: those
// that are due first.
func (w *Webhooks) WebhookOwed(ctx context.Context, id string) (owed [domain.WebhookTracks]domain.WebhookOwed, err error) {
	list, err := pg.ReadAll(ctx, w.db, func(row pgx.CollectableRow) (o domain.WebhookOwed, err error) {
		var seconds float64
		err = row.Scan(&o.Lanes, &o.Events, &seconds)
		o.Oldest = time.Duration(seconds * float64(time.Second))
		return o, err
	}, owedTracksSQL, id, owedLanes)
	copy(owed[:], list)
	return owed, err
}
