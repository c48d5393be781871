package read

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// The time of a commit is the time of its events, or a little earlier if the clock was
	// set back.
	tracedSQL = `
SELECT e.sender, e.at, (
	SELECT c.node FROM commits c
	WHERE c.at BETWEEN e.at - interval '10 seconds' AND e.at AND EXISTS (
		SELECT FROM unnest(c.conversations, c.firsts, c.heads) AS r (id, first_seq, head_seq)
		WHERE r.id = $1 AND $2 BETWEEN r.first_seq AND r.head_seq
	)
	LIMIT 1
)
FROM events e WHERE e.conversation_id = $1 AND e.seq = $2 AND e.type = 'message.posted'`

	// The recursive query skips through the primary key from device to device (a "loose
	// index scan"), because a device has one row for each of its conversations.
	tracedMembersSQL = `
SELECT m.user_id, m.delivered_seq, m.read_seq, d.devices, d.acked
FROM (
	SELECT user_id, delivered_seq, read_seq FROM members
	WHERE conversation_id = $1 AND left_seq IS NULL AND user_id > $2
	ORDER BY user_id LIMIT $3
) m
CROSS JOIN LATERAL (
	WITH RECURSIVE leap AS (
		SELECT min(c.device_id) AS device_id FROM device_cursors c WHERE c.user_id = m.user_id
		UNION ALL
		SELECT (SELECT min(c.device_id) FROM device_cursors c WHERE c.user_id = m.user_id AND c.device_id > leap.device_id)
		FROM leap WHERE leap.device_id IS NOT NULL
	)
	SELECT array_agg(c.device_id ORDER BY c.device_id) AS devices, array_agg(c.acked_seq ORDER BY c.device_id) AS acked
	FROM leap JOIN device_cursors c ON c.user_id = m.user_id AND c.device_id = leap.device_id AND c.conversation_id = $1
) d
ORDER BY m.user_id`
)

// Trace returns the delivery state of a message for the members, in the order of their
// ids, without their connections. If seq is not a message, the error is ErrNotFound. It
// does not check the reader: it is for backends only.
func (qs *Queries) Trace(ctx context.Context, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Trace, error) {
	t := domain.Trace{ConversationID: id, Seq: seq, Items: []domain.TraceMember{}}
	after, err := pg.ReadTextKeys(pg.CursorTrace, cursor, 1)
	if err != nil {
		return t, err
	}
	var members []domain.TraceMember
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		var at time.Time
		err := qs.db.Pool.QueryRow(ctx, tracedSQL, id, seq).Scan(&t.Sender, &at, &t.Committed.Node)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		if err != nil {
			return err
		}
		t.Committed.At = domain.TimeOf(at)
		rows, err := qs.db.Pool.Query(ctx, tracedMembersSQL, id, after[0], limit+1)
		if err != nil {
			return err
		}
		members, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (domain.TraceMember, error) { return scanTraced(row, seq) })
		return err
	})
	if err != nil {
		return domain.Trace{}, err
	}
	page := pg.KeysetPage(members, limit, pg.CursorTrace, func(w *pg.CursorWriter, last domain.TraceMember) {
		w.Text(string(last.UserID))
	})
	t.Items, t.NextCursor = page.Items, page.NextCursor
	return t, nil
}

func scanTraced(row pgx.CollectableRow, seq int64) (domain.TraceMember, error) {
	m := domain.TraceMember{Devices: []domain.TraceDevice{}}
	var devices []string
	var acked []int64
	err := row.Scan(&m.UserID, &m.DeliveredSeq, &m.ReadSeq, &devices, &acked)
	m.Delivered, m.Read = m.DeliveredSeq >= seq, m.ReadSeq >= seq
	for i, device := range devices {
		m.Devices = append(m.Devices, domain.TraceDevice{DeviceID: domain.DeviceID(device), AckedSeq: acked[i], Acked: acked[i] >= seq})
	}
	return m, err
}
