package read

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/users"
)

// The statements of events return no row if the reader may not read the conversation, and
// one row without an event if there is none in the range. They end before the event that
// exceeds $5 bytes, counted in the direction of reading, but after one event at least.
//
// The events come in the direction of reading. To sort them again would cost a third of the
// time, and the first one could not be sent before the last one is read. The reader is
// materialized, or its floor would be computed from the settings for each event.
const (
	// eventColumns are the columns of an event, and its size in a page.
	eventColumns = `type, sender, coalesce(client_msg_id, '') AS client_msg_id, at, body::text AS body,
			192 + octet_length(sender) + octet_length(coalesce(client_msg_id, '')) + octet_length(body::text) AS size`

	eventsHead = `
WITH c AS MATERIALIZED (
	SELECT r.*, (SELECT epoch FROM epoch) AS epoch FROM (` + readable + `
	) r
)
SELECT c.epoch, c.head_seq, c.floor_seq, e.seq, e.type, e.sender, e.client_msg_id, e.at, e.body
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY `

	eventsRange = ` ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT seq, ` + eventColumns + `
		FROM events WHERE conversation_id = c.id AND `

	eventsEnd = ` LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size`

	eventsAfterSQL = eventsHead + `seq` + eventsRange +
		`seq > greatest($4, c.floor_seq - 1) ORDER BY seq` + eventsEnd

	eventsBeforeSQL = eventsHead + `seq DESC` + eventsRange +
		`seq < $4 AND seq >= c.floor_seq ORDER BY seq DESC` + eventsEnd
)

// Events returns a range of the log: the events after or before a seq, or the newest ones.
// It returns no events below the actor's floor, and hides the content of edits of messages
// below it. The page ends at r.Limit events or domain.PageBytes; HasMore is about the
// direction of r.
func (qs *Queries) Events(
	ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range,
) (domain.EventPage, error) {
	return eventsBy(ctx, qs.db.ReadPrimary, a, id, r)
}

// EventsFromReplica is Events on a read replica, if there is one that has all commits.
func (qs *Queries) EventsFromReplica(
	ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range,
) (domain.EventPage, error) {
	return eventsBy(ctx, qs.db.ReadHistory, a, id, r)
}

// eventsBy is Events with the method of pg.DB that reads.
func eventsBy(
	ctx context.Context, read func(context.Context, func(context.Context, pg.Queryer) error) error,
	a domain.Actor, id domain.ConversationID, r domain.Range,
) (page domain.EventPage, err error) {
	sql, position := eventsBeforeSQL, int64(math.MaxInt64)
	switch {
	case r.AfterSeq != nil:
		sql, position = eventsAfterSQL, *r.AfterSeq
	case r.BeforeSeq != nil:
		position = *r.BeforeSeq
	}
	err = read(ctx, func(ctx context.Context, from pg.Queryer) error {
		page = domain.EventPage{ConversationID: id, Events: []domain.Event{}}
		rows, err := from.Query(ctx, sql, id, a.Backend, string(a.User), position, domain.PageBytes, r.Limit)
		if err != nil {
			return err
		}
		if err := collectPage(rows, &page); err != nil {
			return err
		}
		domain.RedactBelow(page.FloorSeq, page.Events)
		// Profiles are not part of the log, so that another snapshot is good enough.
		var referenced domain.ReferencedUsers
		referenced.AddEvents(page.Events)
		page.Users, err = users.ProfilesOf(ctx, from, &referenced)
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

// collectPage reads the rows into the page. It is written for speed: the driver's buffers
// are copied once, and strings that repeat from row to row are shared.
func collectPage(rows pgx.Rows, page *domain.EventPage) error {
	var seq pgtype.Int8
	var at pgtype.Timestamptz
	var epoch, kind, sender, msgID, body pgtype.DriverBytes // buffers of the driver, valid until the next row
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
	slices.SortFunc(page.Events, func(a, b domain.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return err
}

// repeated returns text as a string, without a copy if it equals last.
func repeated[T ~string](last T, text []byte) T {
	if string(last) == string(text) {
		return last
	}
	return T(text)
}

const logRangeSQL = `
SELECT conversation_id, seq, type, sender, client_msg_id, at, body FROM (
	SELECT *, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT conversation_id, seq, ` + eventColumns + `
		FROM events WHERE conversation_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $5
	) range
) e WHERE total <= $4 OR total = size
ORDER BY seq`

// logRangeEvents bounds the events of one LogRange; domain.PageBytes bounds its bytes.
const logRangeEvents = 4096

// LogRange returns the events with seqs above after, up to and including upto. It does not
// check who may read them. It may return only the first of them, but at least one: call it
// again with the last seq.
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
