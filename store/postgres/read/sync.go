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
	phaseActivity = 1
	phaseChanged  = 2
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
	w.Text(c.epoch)
	w.Number(c.phase)
	if c.since == nil {
		w.Number(0)
	} else {
		w.Number(1)
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
	c := &syncCursor{user: domain.UserID(r.Text()), epoch: r.Text(), phase: r.Number()}
	if r.Number() == 1 {
		since := r.Snapshot()
		c.since = &since
	}
	if c.phase != 0 {
		c.start, c.begin, c.within = r.Snapshot(), r.Snapshot(), r.Key()
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if c.user != user || c.phase > phaseChanged || c.phase == 0 && c.since == nil {
		return nil, domain.ErrCursorInvalid
	}
	return c, nil
}

// The statements of the sync return the present snapshot and epoch, and the ids of the
// page: at most $3, and one more if there are more. For the last page they also return the
// conversations that the user has left since the snapshot $2 (null: none), and the number
// of unread messages in all conversations. They read the memberships once. They count
// recalled messages, which are not unread, only in conversations with unread messages.
const (
	syncAllSQL = `
WITH mine AS MATERIALIZED (
	SELECT c.id, c.last_at, m.left_seq IS NULL AS present, m.changed AS entered, m.read_seq,
		c.message_count - m.read_message_no AS messages
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
), page AS MATERIALIZED (
	SELECT ARRAY(
		SELECT id FROM mine WHERE present AND (last_at, id) < ($5::timestamptz, $4::uuid)
		ORDER BY last_at DESC, id DESC LIMIT $3 + 1
	) AS ids
)
SELECT pg_current_snapshot()::text, epoch, ids,
	CASE WHEN cardinality(ids) <= $3 THEN ARRAY(
		SELECT id FROM mine
		WHERE NOT present AND NOT pg_visible_in_snapshot(entered, (SELECT $2::text::pg_snapshot))
		ORDER BY id
	) END,
	CASE WHEN cardinality(ids) <= $3 THEN (SELECT coalesce(sum(messages), 0)::bigint FROM mine WHERE present) - (
		SELECT count(*) FROM mine JOIN message_states s ON s.conversation_id = mine.id
		WHERE mine.present AND mine.messages > 0 AND s.seq > mine.read_seq AND s.recalled_seq IS NOT NULL
	) ELSE 0 END
FROM page, epoch`

	// Where few conversations are new, their ids are aggregated and not sorted with all
	// others. Comparing with xmin first is fast, and decides most rows.
	syncNewHead = `
WITH mine AS MATERIALIZED (
	SELECT
		array_agg(c.id ORDER BY `

	syncNewEnd = `
			AND (c.changed >= (SELECT pg_snapshot_xmin($5::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(c.changed, (SELECT $5::text::pg_snapshot))
				OR m.changed >= (SELECT pg_snapshot_xmin($5::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(m.changed, (SELECT $5::text::pg_snapshot)))) AS ids,
		array_agg(c.id ORDER BY c.id) FILTER (WHERE m.left_seq IS NOT NULL AND NOT pg_visible_in_snapshot(m.changed, (SELECT $2::text::pg_snapshot))) AS gone,
		sum(c.message_count - m.read_message_no) FILTER (WHERE m.left_seq IS NULL) AS messages,
		array_agg(c.id) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS unread,
		array_agg(m.read_seq) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS reads
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
)
SELECT pg_current_snapshot()::text, epoch, coalesce(ids[1:$3 + 1], '{}'), gone,
	CASE WHEN coalesce(cardinality(ids), 0) <= $3 THEN coalesce(messages, 0)::bigint - (
		SELECT count(*) FROM unnest(unread, reads) AS u (id, read_seq) JOIN message_states s ON s.conversation_id = u.id
		WHERE s.seq > u.read_seq AND s.recalled_seq IS NOT NULL
	) ELSE 0 END
FROM mine, epoch`

	syncSinceSQL = syncNewHead +
		`c.last_at DESC, c.id DESC) FILTER (WHERE m.left_seq IS NULL AND (c.last_at, c.id) < ($6::timestamptz, $4::uuid)` + syncNewEnd

	syncChangedSQL = syncNewHead +
		`c.id) FILTER (WHERE m.left_seq IS NULL AND c.id > $4::uuid` + syncNewEnd
)

// Sync returns a page of the user's new and changed conversations. Removed is complete on
// the page with Done. Every sync ends, even if conversations change all the time. If the
// error is ErrCursorInvalid, sync without a cursor.
func (qs *Queries) Sync(ctx context.Context, q domain.SyncQuery) (page domain.SyncPage, err error) {
	if _, err := parseSyncCursor(q.Cursor, q.User); err != nil {
		return page, err
	}
	err = qs.db.LookupTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page = domain.SyncPage{Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{}}
		cursor, err := parseSyncCursor(q.Cursor, q.User) // again: an attempt changes it
		if err != nil {
			return err
		}
		return syncPage(ctx, tx, q, cursor, &page)
	})
	return page, err
}

func syncPage(ctx context.Context, tx pgx.Tx, q domain.SyncQuery, c *syncCursor, page *domain.SyncPage) error {
	first := c.phase == 0
	if first {
		c.phase, c.within = phaseActivity, pg.LatestActivity()
	}
	found, err := c.find(ctx, tx, q)
	if err != nil {
		return err
	}
	if c.epoch != "" && c.epoch != found.epoch {
		return domain.ErrCursorInvalid
	}
	c.epoch, page.Epoch = found.epoch, found.epoch
	if first {
		c.start, c.begin = found.now, found.now
	}
	views, more, err := found.views(ctx, tx, q)
	if err != nil {
		return err
	}
	for _, v := range views {
		page.Conversations = append(page.Conversations, v.ConversationView)
	}
	var referenced domain.ReferencedUsers
	referenced.AddConversations(page.Conversations)
	if page.Users, err = users.ProfilesOf(ctx, tx, &referenced); err != nil {
		return err
	}
	switch {
	case more:
		c.within = views[len(views)-1].key()
	case c.phase == phaseActivity && !first:
		c.phase, c.begin, c.within = phaseChanged, found.now, pg.ActivityKey{}
	default:
		c.finish(found, page)
		return nil
	}
	page.Cursor = c.String()
	return nil
}

// syncResult is the result of a statement of the sync.
type syncResult struct {
	now    pg.Snapshot
	epoch  string
	ids    [][16]byte // of the next page, and one more if there are more
	gone   [][16]byte // only with the last ids
	unread int64      // only with the last ids
}

// find runs the statement of the cursor's phase.
func (c *syncCursor) find(ctx context.Context, tx pgx.Tx, q domain.SyncQuery) (s syncResult, err error) {
	left := c.since
	if left == nil && c.start.Xmax > 0 {
		left = &c.start // an earlier page may have listed what was left since then
	}
	var sql string
	args := []any{string(q.User), snapshotText(left), q.Limit, c.within.ID}
	switch {
	case c.phase == phaseChanged:
		sql, args = syncChangedSQL, append(args, c.start.String())
	case c.since == nil:
		sql, args = syncAllSQL, append(args, c.within.At)
	default:
		sql, args = syncSinceSQL, append(args, c.since.String(), c.within.At)
	}
	var now string
	if err := tx.QueryRow(ctx, sql, args...).Scan(&now, &s.epoch, &s.ids, &s.gone, &s.unread); err != nil {
		return s, err
	}
	s.now, err = pg.ParseSnapshot(now)
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
