package read

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// The commit has the time of its events, or is a little earlier where the clock
	// went back.
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

	// The devices of a user are found by leaps through the key, however many
	// conversations they have acknowledged.
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

// Trace tells how far a message has come to the members, in the order of their
// ids; where they are connected is not known here. ErrNotFound if seq is no
// message. Only backends may ask.
func (qs *Queries) Trace(ctx context.Context, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Trace, error) {
	t := domain.Trace{ConversationID: id, Seq: seq, Items: []domain.TraceMember{}}
	var after string
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorTrace, cursor)
		after = r.Text()
		if err := r.Err(); err != nil {
			return t, err
		}
	}
	err := qs.db.Read(ctx, func(ctx context.Context) error {
		var at time.Time
		err := qs.db.Pool.QueryRow(ctx, tracedSQL, id, seq).Scan(&t.Sender, &at, &t.Committed.Node)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		if err != nil {
			return err
		}
		t.Committed.At = domain.TimeOf(at)
		rows, err := qs.db.Pool.Query(ctx, tracedMembersSQL, id, after, limit+1)
		if err != nil {
			return err
		}
		t.Items, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (domain.TraceMember, error) { return scanTraced(row, seq) })
		return err
	})
	if err != nil {
		return domain.Trace{}, err
	}
	if len(t.Items) > limit {
		t.Items = t.Items[:limit]
		w := pg.NewCursor(pg.CursorTrace)
		w.Text(string(t.Items[limit-1].UserID))
		t.NextCursor = new(w.String())
	}
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
