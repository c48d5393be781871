package read

import (
	"bytes"
	"context"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/users"
)

// Both statements answer one row, of no event, where there is a conversation to
// read and nothing in the range, and none where there is nothing to be read. They
// end at $5 bytes, counted from where the reading starts, after one event at least.
const (
	eventsAfterSQL = `
WITH c AS (
	SELECT c.id, c.head_seq, CASE WHEN $2 THEN 1 ELSE im_floor_1(c.settings, m.joined_seq) END AS floor_seq,
		(SELECT epoch FROM epoch) AS epoch
	FROM conversations c
	LEFT JOIN members m ON m.user_id = $3 AND m.conversation_id = c.id AND m.left_seq IS NULL
	WHERE c.id = $1 AND ($2 OR m.user_id IS NOT NULL)
)
SELECT c.epoch, c.head_seq, c.floor_seq, e.seq, e.type, e.sender, e.client_msg_id, e.at, e.body
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT seq, type, sender, coalesce(client_msg_id, '') AS client_msg_id, at, body::text AS body,
			192 + octet_length(sender) + octet_length(coalesce(client_msg_id, '')) + octet_length(body::text) AS size
		FROM events WHERE conversation_id = c.id AND seq > greatest($4, c.floor_seq - 1) ORDER BY seq LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size
ORDER BY e.seq`

	eventsBeforeSQL = `
WITH c AS (
	SELECT c.id, c.head_seq, CASE WHEN $2 THEN 1 ELSE im_floor_1(c.settings, m.joined_seq) END AS floor_seq,
		(SELECT epoch FROM epoch) AS epoch
	FROM conversations c
	LEFT JOIN members m ON m.user_id = $3 AND m.conversation_id = c.id AND m.left_seq IS NULL
	WHERE c.id = $1 AND ($2 OR m.user_id IS NOT NULL)
)
SELECT c.epoch, c.head_seq, c.floor_seq, e.seq, e.type, e.sender, e.client_msg_id, e.at, e.body
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT seq, type, sender, coalesce(client_msg_id, '') AS client_msg_id, at, body::text AS body,
			192 + octet_length(sender) + octet_length(coalesce(client_msg_id, '')) + octet_length(body::text) AS size
		FROM events WHERE conversation_id = c.id AND seq < $4 AND seq >= c.floor_seq ORDER BY seq DESC LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size
ORDER BY e.seq`
)

// Events returns a stretch of the log: after or before a seq, or the newest, and
// nothing below the actor's floor, of edits neither what they say of it. It ends at r.Limit events or domain.PageBytes; HasMore is for the direction of r.
func (qs *Queries) Events(
	ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range,
) (page domain.EventPage, err error) {
	sql, position := eventsBeforeSQL, int64(math.MaxInt64)
	switch {
	case r.AfterSeq != nil:
		sql, position = eventsAfterSQL, *r.AfterSeq
	case r.BeforeSeq != nil:
		position = *r.BeforeSeq
	}
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		page = domain.EventPage{
			ConversationID: id, Events: []domain.Event{},
		}
		rows, err := qs.db.Pool.Query(ctx, sql, id, a.Backend, string(a.User), position, domain.PageBytes, r.Limit)
		if err != nil {
			return err
		}
		if err := collectPage(rows, &page); err != nil {
			return err
		}
		domain.HideBelow(page.FloorSeq, page.Events)
		// Profiles are no part of the log: they need not be as of the same moment.
		var cast domain.ReferencedUsers
		cast.AddEvents(page.Events)
		page.Users, err = users.ProfilesOf(ctx, qs.db.Pool, &cast)
		return err
	})
	if err != nil || len(page.Events) == 0 {
		return page, err
	}
	page.FromSeq, page.ToSeq = page.Events[0].Seq, page.Events[len(page.Events)-1].Seq
	page.HasMore = page.FromSeq > page.FloorSeq
	if r.AfterSeq != nil {
		page.HasMore = page.ToSeq < page.HeadSeq
	}
	return page, nil
}

// collectPage copies what it keeps, once; from row to row, most of the strings are
// the same.
func collectPage(rows pgx.Rows, page *domain.EventPage) error {
	var seq pgtype.Int8
	var at pgtype.Timestamptz
	var epoch, kind, sender, msgID, body pgtype.DriverBytes // of the driver, until the next row
	var last domain.Event
	found := false
	_, err := pgx.ForEachRow(rows, []any{&epoch, &page.HeadSeq, &page.FloorSeq, &seq, &kind, &sender, &msgID, &at, &body}, func() error {
		found = true
		page.Epoch = repeated(page.Epoch, epoch)
		if seq.Valid {
			last = domain.Event{
				ConversationID: page.ConversationID, Seq: seq.Int64, Type: repeated(last.Type, kind),
				Sender: repeated(last.Sender, sender), ClientMsgID: string(msgID), At: domain.TimeOf(at.Time), Body: bytes.Clone(body),
			}
			page.Events = append(page.Events, last)
		}
		return nil
	})
	if err == nil && !found {
		return domain.ErrNotFound
	}
	return err
}

// repeated is the text, without a copy if it is the last one again.
func repeated[T ~string](last T, text []byte) T {
	if string(last) == string(text) {
		return last
	}
	return T(text)
}

const logRangeSQL = `
SELECT conversation_id, seq, type, sender, client_msg_id, at, body FROM (
	SELECT *, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT conversation_id, seq, type, sender, coalesce(client_msg_id, '') AS client_msg_id, at, body::text AS body,
			192 + octet_length(sender) + octet_length(coalesce(client_msg_id, '')) + octet_length(body::text) AS size
		FROM events WHERE conversation_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $5
	) range
) e WHERE total <= $4 OR total = size
ORDER BY seq`

// logRangeEvents bounds one LogRange, beside its bytes.
const logRangeEvents = 4096

// LogRange returns the events beyond after, up to and including upto, with no
// question asked of who may read them. It may end early, after one event at
// least: ask again from there.
func (qs *Queries) LogRange(ctx context.Context, id domain.ConversationID, after, upto int64) (events []domain.Event, err error) {
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		rows, err := qs.db.Pool.Query(ctx, logRangeSQL, id, after, upto, domain.PageBytes, logRangeEvents)
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, pg.ScanEvent)
		return err
	})
	return events, err
}
