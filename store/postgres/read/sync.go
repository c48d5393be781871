package read

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/users"
)

// A sync lists conversations in two phases. Each page is read in a snapshot of its own.
//
//	phase     order            lists                                      next
//	activity  newest activity  all that is new since the cursor           changed, if it took several pages; else done
//	changed   id               what changed since the sync's first page   done
//
// A conversation with new activity moves to the front of the first order, and so may be
// missed between two of its pages. The second phase finds it: an id does not change.
// Changes during the second phase belong to the next sync: its cursor starts at the first
// snapshot of this phase.
const (
	phaseChanged  = 2
	phaseActivity = 3

	// phaseLastEvent was the first phase of earlier versions, in the order of the last event
	// of any type. That is never before the activity, so phaseActivity may go on from there:
	// it repeats some conversations and leaves none out. The reverse would leave some out,
	// so the number of phaseActivity is one that earlier versions refuse.
	phaseLastEvent = 1
)

// syncCursor is the place of a sync in its list. With phase 0 it is the start of the next
// sync.
type syncCursor struct {
	user   domain.UserID
	epoch  string
	since  *pg.Snapshot // changes since it are new; nil: everything is new
	phase  uint64
	start  pg.Snapshot // of the first page of the sync
	begin  pg.Snapshot // of the first page of the phase
	within pg.ActivityKey
}

func (c *syncCursor) String() string {
	w := pg.NewCursor(pg.CursorSync)
	w.Text(string(c.user))
	w.Number(c.phase)
	if c.since == nil {
		w.Number(0)
	} else {
		w.Number(1)
	}
	w.Shard(c.epoch)
	if c.since != nil {
		w.Snapshot(*c.since)
	}
	if c.phase != 0 {
		w.Snapshot(c.start)
		w.Snapshot(c.begin)
		w.Key(c.within)
	}
	return w.String()
}

func parseSyncCursor(text string, user domain.UserID) (*syncCursor, error) {
	if text == "" {
		return &syncCursor{user: user}, nil
	}
	r := pg.ReadCursor(pg.CursorSync, text)
	c := &syncCursor{user: domain.UserID(r.Text())}
	if r.Version() == 0 {
		c.epoch = r.Text()
	}
	c.phase = r.Number()
	later := r.Number() == 1 // not the first sync
	if r.Version() > 0 {
		c.epoch = r.Shard()
	}
	if later {
		since := r.Snapshot()
		c.since = &since
	}
	if c.phase != 0 {
		c.start, c.begin, c.within = r.Snapshot(), r.Snapshot(), r.Key()
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if c.phase == phaseLastEvent {
		c.phase = phaseActivity
	}
	if c.user != user || c.phase > phaseActivity || c.phase == 0 && c.since == nil {
		return nil, domain.ErrCursorInvalid
	}
	return c, nil
}

// The statements of the sync return the present snapshot and epoch, and the ids of the
// page: at most $3, and one more if there are more. For the last page they also return the
// conversations that the user has left since the snapshot $2 (null: none), and the
// conversations with unread messages and their numbers; and always, how many conversations
// the user has. They read the memberships once. They count recalled messages, which are
// not unread, only in conversations with unread messages.
const (
	// present is above all transactions that a visible row can have been changed by. A row
	// that names a later one was restored from a dump of another server, before the epoch
	// began: no cursor of this epoch is older.
	present = `(SELECT pg_snapshot_xmax(pg_current_snapshot()))`

	syncAllSQL = `
WITH mine AS MATERIALIZED (
	SELECT c.id, ` + activeAt + ` AS active_at, m.left_seq IS NULL AS present, m.changed AS entered, m.read_seq,
		c.message_count - m.read_message_no AS messages
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
), page AS MATERIALIZED (
	SELECT ARRAY(
		SELECT id FROM mine WHERE present AND (active_at, id) < ($5::timestamptz, $4::uuid)
		ORDER BY active_at DESC, id DESC LIMIT $3 + 1
	) AS ids
)
SELECT pg_current_snapshot()::text, epoch, page.ids,
	CASE WHEN cardinality(page.ids) <= $3 THEN ARRAY(
		SELECT id FROM mine
		WHERE NOT present AND NOT pg_visible_in_snapshot(entered, (SELECT $2::text::pg_snapshot)) AND entered < ` + present + `
		ORDER BY id
	) END,
	(SELECT count(*) FROM mine WHERE present), u.ids, u.counts
FROM page CROSS JOIN epoch CROSS JOIN LATERAL (
	SELECT array_agg(id) AS ids, array_agg((messages - (
		SELECT count(*) FROM message_states s
		WHERE s.conversation_id = mine.id AND s.seq > mine.read_seq AND s.recalled_seq IS NOT NULL
	))::int) AS counts
	FROM mine WHERE present AND messages > 0 AND cardinality(page.ids) <= $3
) u`

	// Where few conversations are new, their ids are aggregated and not sorted with all
	// others. Comparing with xmin first is fast, and decides most rows.
	syncNewHead = `
WITH mine AS MATERIALIZED (
	SELECT
		array_agg(c.id ORDER BY `

	syncNewFilter = `) FILTER (WHERE m.left_seq IS NULL
			AND (c.changed >= (SELECT pg_snapshot_xmin($5::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(c.changed, (SELECT $5::text::pg_snapshot))
					AND c.changed < ` + present + `
				OR m.changed >= (SELECT pg_snapshot_xmin($5::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(m.changed, (SELECT $5::text::pg_snapshot))
					AND m.changed < ` + present + `)
			AND `

	syncNewEnd = `) AS ids,
		array_agg(c.id ORDER BY c.id) FILTER (WHERE m.left_seq IS NOT NULL
			AND NOT pg_visible_in_snapshot(m.changed, (SELECT $2::text::pg_snapshot)) AND m.changed < ` + present + `) AS gone,
		count(*) FILTER (WHERE m.left_seq IS NULL) AS listed,
		array_agg(c.id) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS unread,
		array_agg(c.message_count - m.read_message_no) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS messages,
		array_agg(m.read_seq) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS reads
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
)
SELECT pg_current_snapshot()::text, epoch, coalesce(mine.ids[1:$3 + 1], '{}'), gone, listed, u.ids, u.counts
FROM mine CROSS JOIN epoch CROSS JOIN LATERAL (
	SELECT array_agg(id) AS ids, array_agg((n - (
		SELECT count(*) FROM message_states s WHERE s.conversation_id = r.id AND s.seq > r.read_seq AND s.recalled_seq IS NOT NULL
	))::int) AS counts
	FROM unnest(unread, messages, reads) AS r (id, n, read_seq) WHERE coalesce(cardinality(mine.ids), 0) <= $3
) u`

	syncSinceSQL = syncNewHead + activeAt + ` DESC, c.id DESC` + syncNewFilter +
		`(` + activeAt + `, c.id) < ($6::timestamptz, $4::uuid)` + syncNewEnd

	syncChangedSQL = syncNewHead + `c.id` + syncNewFilter + `c.id > $4::uuid` + syncNewEnd
)

// Sync returns a page of the user's new and changed conversations. Removed is complete on
// the page with Done. Every sync ends, even if conversations change all the time. If the
// error is ErrCursorInvalid, sync without a cursor.
func (qs *Queries) Sync(ctx context.Context, q domain.SyncQuery) (page domain.SyncPage, err error) {
	if _, err := parseSyncCursor(q.Cursor, q.User); err != nil {
		return page, err
	}
	record := qs.unread.take(q.User)
	var found syncResult
	err = qs.db.LookupTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page = domain.SyncPage{Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{}}
		cursor, err := parseSyncCursor(q.Cursor, q.User) // again: an attempt changes it
		if err != nil {
			return err
		}
		found, err = syncPage(ctx, tx, q, cursor, record, &page)
		return err
	})
	if err == nil {
		qs.unread.put(q.User, found.record)
	}
	return page, err
}

// syncPage reads a page. It may change the record; the result has the record to keep.
func syncPage(
	ctx context.Context, tx pgx.Tx, q domain.SyncQuery, c *syncCursor, record *unreadRecord, page *domain.SyncPage,
) (syncResult, error) {
	first := c.phase == 0
	if first {
		c.phase, c.within = phaseActivity, pg.LatestActivity()
	}
	found, err := c.find(ctx, tx, q, record)
	if err != nil {
		return found, err
	}
	if c.epoch != "" && (c.epoch != found.epoch || c.ahead(found.now)) {
		return found, domain.ErrCursorInvalid
	}
	c.epoch, page.Epoch = found.epoch, found.epoch
	if first {
		c.start, c.begin = found.now, found.now
	}
	views, more, err := found.views(ctx, tx, q)
	if err != nil {
		return found, err
	}
	for _, v := range views {
		page.Conversations = append(page.Conversations, v.ConversationView)
	}
	var referenced domain.ReferencedUsers
	referenced.AddConversations(page.Conversations)
	if page.Users, err = users.ProfilesOf(ctx, tx, &referenced); err != nil {
		return found, err
	}
	switch {
	case more:
		c.within = views[len(views)-1].key()
	case c.phase == phaseActivity && !first:
		c.phase, c.begin, c.within = phaseChanged, found.now, pg.ActivityKey{}
	default:
		c.finish(found, page)
		return found, nil
	}
	page.Cursor = c.String()
	return found, nil
}

// ahead reports whether the cursor was taken after the present snapshot. Then the log has
// come back in an earlier state, which nothing else has shown yet.
func (c *syncCursor) ahead(now pg.Snapshot) bool {
	return c.since != nil && c.since.Xmax > now.Xmax || c.begin.Xmax > now.Xmax
}

// syncResult is the result of a statement of the sync.
type syncResult struct {
	now    pg.Snapshot
	epoch  string
	ids    [][16]byte    // of the next page, and one more if there are more
	gone   [][16]byte    // only with the last ids
	unread int64         // only with the last ids
	record *unreadRecord // of this snapshot; nil: not counted
}

// changesSince returns the snapshots since which a page lists the conversations that the
// user has left, and those that are new; nil: none, and all.
func (c *syncCursor) changesSince() (left, since *pg.Snapshot) {
	left, since = c.since, c.since
	if left == nil && c.start.Xmax > 0 {
		left = &c.start // an earlier page may have listed what was left since then
	}
	if c.phase == phaseChanged {
		since = &c.start
	}
	return left, since
}

// find finds the next page, by the record if there is one and few conversations have
// changed since then.
func (c *syncCursor) find(ctx context.Context, tx pgx.Tx, q domain.SyncQuery, record *unreadRecord) (syncResult, error) {
	if s, ok, err := c.findRecent(ctx, tx, q, record); ok || err != nil {
		return s, err
	}
	s, err := c.findAmongAll(ctx, tx, q)
	if s.record == nil {
		s.record = record
	}
	return s, err
}

// findAmongAll runs the statement of the cursor's phase, which reads all memberships.
func (c *syncCursor) findAmongAll(ctx context.Context, tx pgx.Tx, q domain.SyncQuery) (s syncResult, err error) {
	left, since := c.changesSince()
	var sql string
	args := []any{string(q.User), snapshotText(left), q.Limit, c.within.ID}
	switch {
	case c.phase == phaseChanged:
		sql, args = syncChangedSQL, append(args, since.String())
	case since == nil:
		sql, args = syncAllSQL, append(args, c.within.At)
	default:
		sql, args = syncSinceSQL, append(args, since.String(), c.within.At)
	}
	var now string
	var listed int
	var unread [][16]byte
	var counts []int32
	if err := tx.QueryRow(ctx, sql, args...).Scan(&now, &s.epoch, &s.ids, &s.gone, &listed, &unread, &counts); err != nil {
		return s, err
	}
	if s.now, err = pg.ParseSnapshot(now); err == nil && len(s.ids) <= q.Limit {
		s.record = newUnreadRecord(s.epoch, s.now, listed, unread, counts)
		s.unread = s.record.total
	}
	return s, err
}

// views reads the conversations of the page that fit, and reports whether there are more.
func (s syncResult) views(ctx context.Context, tx pgx.Tx, q domain.SyncQuery) (page []*view, more bool, err error) {
	if len(s.ids) == 0 {
		return nil, false, nil
	}
	ids := s.ids[:min(q.Limit, len(s.ids))]
	rows, err := tx.Query(ctx, viewsSQL, slices.Repeat([]string{string(q.User)}, len(ids)), ids, string(q.Device))
	if err != nil {
		return nil, false, err
	}
	if page, err = pgx.CollectRows(rows, scanView); err != nil {
		return nil, false, err
	}
	n, err := fillTimelines(ctx, tx, page, q.TimelineLimit)
	if err != nil {
		return nil, false, err
	}
	return page[:n], n < len(s.ids), nil
}

// finish completes the last page: the conversations that the user left, the unread total,
// and the cursor of the next sync.
func (c *syncCursor) finish(found syncResult, page *domain.SyncPage) {
	for _, id := range found.gone {
		page.Removed = append(page.Removed, id)
	}
	page.Done, page.UnreadTotal = true, &found.unread
	next := syncCursor{user: c.user, epoch: c.epoch, since: &c.begin}
	page.Cursor = next.String()
}

func snapshotText(s *pg.Snapshot) *string {
	if s == nil {
		return nil
	}
	text := s.String()
	return &text
}
