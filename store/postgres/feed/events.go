package feed

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// eventCursor is a place in the events of all conversations. A reader goes through the log
// first and follows the feed from where it began; conversations come in the order of their
// ids in both.
//
//	state     | what a page has                           | next
//	walking   | events since a time, from the log         | following from From, at the end of the log
//	following | events of the commits from From to To     | following from To, when all are read;
//	          |                                           | walking since From, if the feed does not reach back to it
type eventCursor struct {
	epoch    string              // of from
	from, to domain.FeedPosition // to is "" before the first page of a range
	walking  bool
	since    int64 // Unix seconds; 0: the beginning
	lastID   domain.ConversationID
	lastSeq  int64 // in lastID, everything up to here is read
}

func (c eventCursor) String() string {
	w := pg.NewCursor(pg.CursorEventFeed)
	w.Text(string(c.from))
	w.Text(string(c.to))
	walking := uint64(0)
	if c.walking {
		walking = 1
	}
	w.Number(walking)
	w.Number(uint64(c.since))
	w.UUID(c.lastID)
	w.Number(uint64(c.lastSeq))
	return w.String()
}

func parseEventCursor(text string) (eventCursor, error) {
	r := pg.ReadCursor(pg.CursorEventFeed, text)
	var c eventCursor
	if r.Version() == 0 {
		r.Text() // the epoch, which is in the positions, too
	}
	c.from, c.to = domain.FeedPosition(r.Text()), domain.FeedPosition(r.Text())
	c.walking, c.since, c.lastID, c.lastSeq = r.Number() == 1, int64(r.Number()), r.UUID(), int64(r.Number())
	if err := r.Err(); err != nil {
		return c, err
	}
	var err error
	if c.epoch, _, _, err = parsePosition(c.from); err != nil {
		return c, err
	}
	if c.to != "" {
		if _, _, _, err = parsePosition(c.to); err != nil {
			return c, err
		}
	}
	if c.since < 0 || c.since > 1<<33 || c.lastSeq < 0 {
		return c, domain.ErrCursorInvalid
	}
	return c, nil
}

// begin returns a cursor that walks since a time, and then follows the feed from the
// present.
func (c *Changes) begin(ctx context.Context, since int64) (eventCursor, error) {
	page, err := c.Feed(ctx, "")
	return eventCursor{epoch: page.Epoch, from: page.Position, walking: true, since: since}, err
}

// repeated is how much older than a cursor the events are that are repeated if the feed
// does not reach back to it.
const repeated = 10 * time.Minute

// EventFeed returns the events of all conversations after a cursor, ascending for each
// conversation; for "" from the beginning. An event may come again, and none is left out.
// The error is ErrCursorInvalid if the cursor is malformed or of another epoch.
func (c *Changes) EventFeed(ctx context.Context, cursor string, limit int) (domain.EventFeed, error) {
	var at eventCursor
	var err error
	if cursor == "" {
		at, err = c.begin(ctx, 0)
	} else {
		at, err = parseEventCursor(cursor)
	}
	if err != nil {
		return domain.EventFeed{}, err
	}
	if !at.walking {
		page, err := c.follow(ctx, at, limit)
		if !errors.Is(err, errFeedGone) {
			return page, err
		}
		if at, err = c.begin(ctx, max(1, TakenAt(at.from).Add(-repeated).Unix())); err != nil {
			return domain.EventFeed{}, err
		}
	}
	return c.walk(ctx, at, limit)
}

// eventPage ends a statement that reads events in a FROM clause of its own, up to a limit of
// $1 events and $2 bytes. The last column is the number of events without the limit of bytes.
const (
	eventPageHead = `
SELECT conversation_id, seq, type, sender, client_msg_id, at, body, n FROM (
	SELECT *, sum(size) OVER (ORDER BY conversation_id, seq ROWS UNBOUNDED PRECEDING) AS total, count(*) OVER () AS n FROM (
		SELECT e.conversation_id, e.seq, e.type, e.sender, coalesce(e.client_msg_id, '') AS client_msg_id, e.at, e.body::text AS body,
			192 + octet_length(e.body::text) AS size
		FROM `
	eventPageEnd = `
		ORDER BY e.conversation_id, e.seq LIMIT $1
	) range
) page WHERE total <= $2 OR total = size
ORDER BY conversation_id, seq`

	walkEventsSQL = eventPageHead + `(
			SELECT id, CASE WHEN id = $3 THEN $4 ELSE 0 END AS after FROM conversations
			WHERE id >= $3 AND ($5 = 0 OR last_at >= to_timestamp($5::bigint)) ORDER BY id
		) c CROSS JOIN LATERAL (
			SELECT * FROM events
			WHERE conversation_id = c.id AND seq > greatest(c.after, CASE WHEN $5 = 0 THEN 0 ELSE coalesce((
				SELECT seq FROM events WHERE conversation_id = c.id AND at < to_timestamp($5::bigint) ORDER BY seq DESC LIMIT 1
			), 0) END)
			ORDER BY seq LIMIT $1
		) e` + eventPageEnd

	followEventsSQL = eventPageHead + `unnest($3::uuid[], $4::bigint[], $5::bigint[]) AS c (id, after, upto) CROSS JOIN LATERAL (
			SELECT * FROM events WHERE conversation_id = c.id AND seq > c.after AND seq <= c.upto ORDER BY seq LIMIT $1
		) e` + eventPageEnd
)

// walk reads a page of the log.
func (c *Changes) walk(ctx context.Context, at eventCursor, limit int) (domain.EventFeed, error) {
	epoch, err := c.Epoch(ctx)
	if err != nil {
		return domain.EventFeed{}, err
	}
	if epoch != at.epoch {
		return domain.EventFeed{}, domain.ErrCursorInvalid
	}
	events, all, err := c.eventPage(ctx, walkEventsSQL, limit, domain.PageBytes, at.lastID, at.lastSeq, at.since)
	if err != nil {
		return domain.EventFeed{}, err
	}
	if !all || len(events) == limit {
		return domain.EventFeed{Events: events, Cursor: at.after(events).String(), HasMore: true}, nil
	}
	at = eventCursor{epoch: at.epoch, from: at.from}
	if len(events) == 0 {
		if page, err := c.follow(ctx, at, limit); !errors.Is(err, errFeedGone) {
			return page, err
		}
	}
	return domain.EventFeed{Events: events, Cursor: at.String(), HasMore: true}, nil // the feed since the walk began is next
}

// after returns the cursor after the last of some events.
func (c eventCursor) after(events []domain.Event) eventCursor {
	last := events[len(events)-1]
	c.lastID, c.lastSeq = last.ConversationID, last.Seq
	return c
}

// errFeedGone means that the feed does not reach back to a cursor.
var errFeedGone = errors.New("commits since the cursor have been deleted")

// betweenSQL returns the heads of the commits that are new to the snapshot $1 and visible in $2.
const betweenSQL = `
SELECT r.id, min(r.first_seq), max(r.head_seq)
FROM commits c CROSS JOIN LATERAL unnest(c.conversations, c.firsts, c.heads) AS r (id, first_seq, head_seq)
WHERE ` + newCommits + ` AND pg_visible_in_snapshot(c.tx, $2::text::pg_snapshot)
GROUP BY r.id`

// between returns the heads of the commits between two positions.
func (c *Changes) between(ctx context.Context, from, to domain.FeedPosition) ([]domain.FeedHead, error) {
	_, since, _, errFrom := parsePosition(from)
	_, until, _, errTo := parsePosition(to)
	if err := errors.Join(errFrom, errTo); err != nil {
		return nil, domain.ErrCursorInvalid
	}
	return pg.ReadAll(ctx, c.db, func(row pgx.CollectableRow) (h domain.FeedHead, err error) {
		return h, row.Scan(&h.ConversationID, &h.First, &h.Head)
	}, betweenSQL, since.String(), until.String())
}

// follow reads a page of what the feed names.
func (c *Changes) follow(ctx context.Context, at eventCursor, limit int) (domain.EventFeed, error) {
	var heads []domain.FeedHead
	further := at.to != "" // not the first page of the range
	if further {
		var err error
		if heads, err = c.between(ctx, at.from, at.to); err != nil {
			return domain.EventFeed{}, err
		}
	}
	// After the heads were read: what was deleted before that shows here.
	page, err := c.Feed(ctx, at.from)
	if errors.Is(err, domain.ErrCursorInvalid) {
		return domain.EventFeed{}, errFeedGone
	}
	if err != nil {
		return domain.EventFeed{}, err
	}
	if page.Epoch != at.epoch {
		return domain.EventFeed{}, domain.ErrCursorInvalid
	}
	if !further {
		at.to, heads = page.Position, page.Heads
	}
	events, all, err := c.eventsOf(ctx, at, heads, limit)
	if err != nil {
		return domain.EventFeed{}, err
	}
	if !all {
		at = at.after(events)
	} else {
		at = eventCursor{epoch: at.epoch, from: at.to}
	}
	if all && further && len(events) == 0 { // the range ended with the page before
		return c.follow(ctx, at, limit)
	}
	return domain.EventFeed{Events: events, Cursor: at.String(), HasMore: !all || further}, nil
}

// eventsOf returns the events of a range that come after a cursor, and whether these are all.
func (c *Changes) eventsOf(ctx context.Context, at eventCursor, heads []domain.FeedHead, limit int) (events []domain.Event, all bool, err error) {
	heads = slices.DeleteFunc(heads, func(h domain.FeedHead) bool {
		order := bytes.Compare(h.ConversationID[:], at.lastID[:])
		return order < 0 || order == 0 && h.Head <= at.lastSeq
	})
	slices.SortFunc(heads, func(a, b domain.FeedHead) int { return bytes.Compare(a.ConversationID[:], b.ConversationID[:]) })
	cut := len(heads) > limit // each has an event at least
	ids, afters, uptos := make([]domain.ConversationID, 0, limit), make([]int64, 0, limit), make([]int64, 0, limit)
	for _, h := range heads[:min(limit, len(heads))] {
		after := h.First - 1
		if h.ConversationID == at.lastID {
			after = max(after, at.lastSeq)
		}
		ids, afters, uptos = append(ids, h.ConversationID), append(afters, after), append(uptos, h.Head)
	}
	events, all, err = c.eventPage(ctx, followEventsSQL, limit, domain.PageBytes, ids, afters, uptos)
	return events, len(events) == 0 || all && !cut && len(events) < limit, err
}

// eventPage reads events, and reports whether all up to the limit were read.
func (c *Changes) eventPage(ctx context.Context, sql string, args ...any) (events []domain.Event, all bool, err error) {
	var n int
	events, err = pg.ReadAll(ctx, c.db, func(row pgx.CollectableRow) (e domain.Event, err error) {
		return pg.ScanEvent(withLast{row, &n})
	}, sql, args...)
	return events, n == len(events), err
}

// withLast is a row whose last column is scanned to n.
type withLast struct {
	pgx.CollectableRow
	n *int
}

// Scan implements pgx.CollectableRow.
func (r withLast) Scan(dest ...any) error { return r.CollectableRow.Scan(append(dest, r.n)...) }
