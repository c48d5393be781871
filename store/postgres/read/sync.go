package read

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/users"
)

// A sync walks in two phases, each page as of its own moment. The first goes by
// newest activity through all that is new since the cursor. A conversation that
// moves to the front meanwhile may slip past it: if it took more than a page,
// the second phase goes by id, which never moves, through what changed since the
// first page. What changes during that one is for the next sync, whose cursor
// begins where this phase did.
const (
	phaseActivity = 1
	phaseChanged  = 2
)

// syncCursor is where a sync is, or, with no phase, where the last one began.
type syncCursor struct {
	user   domain.UserID
	epoch  string
	since  *pg.Snapshot // what is new: nil, everything
	phase  uint64
	start  pg.Snapshot // of the sync: its first page
	begin  pg.Snapshot // of the phase: its first page
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

// What was asked for is on a page of at most $5: ids, one more than that if there
// are more. What has been left since $2 (if it is null, nothing has), and how much is
// unread in all, are for the last page. The memberships are gone through once, and
// recalled messages, which are not unread, looked for only where something is.
const (
	syncAllSQL = `
WITH mine AS MATERIALIZED (
	SELECT c.id, c.last_at, m.left_seq IS NULL AS present, m.changed AS entered, m.read_seq,
		c.message_count - m.read_message_no AS messages
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
), page AS MATERIALIZED (
	SELECT ARRAY(
		SELECT id FROM mine WHERE present AND (last_at, id) < ($3::timestamptz, $4::uuid)
		ORDER BY last_at DESC, id DESC LIMIT $5 + 1
	) AS ids
)
SELECT pg_current_snapshot()::text, epoch, ids,
	CASE WHEN cardinality(ids) <= $5 THEN ARRAY(
		SELECT id FROM mine
		WHERE NOT present AND NOT pg_visible_in_snapshot(entered, (SELECT $2::text::pg_snapshot))
		ORDER BY id
	) END,
	CASE WHEN cardinality(ids) <= $5 THEN (SELECT coalesce(sum(messages), 0)::bigint FROM mine WHERE present) - (
		SELECT count(*) FROM mine JOIN message_states s ON s.conversation_id = mine.id
		WHERE mine.present AND mine.messages > 0 AND s.seq > mine.read_seq AND s.recalled_seq IS NOT NULL
	) ELSE 0 END
FROM page, epoch`

	// Of few changes: they are gathered, not sorted out. What is older than the
	// snapshot's oldest open transaction is told by comparing numbers.
	syncSinceSQL = `
WITH mine AS MATERIALIZED (
	SELECT
		array_agg(c.id ORDER BY c.last_at DESC, c.id DESC) FILTER (WHERE m.left_seq IS NULL AND (c.last_at, c.id) < ($3::timestamptz, $4::uuid)
			AND (c.changed >= (SELECT pg_snapshot_xmin($6::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(c.changed, (SELECT $6::text::pg_snapshot))
				OR m.changed >= (SELECT pg_snapshot_xmin($6::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(m.changed, (SELECT $6::text::pg_snapshot)))) AS ids,
		array_agg(c.id ORDER BY c.id) FILTER (WHERE m.left_seq IS NOT NULL AND NOT pg_visible_in_snapshot(m.changed, (SELECT $2::text::pg_snapshot))) AS gone,
		sum(c.message_count - m.read_message_no) FILTER (WHERE m.left_seq IS NULL) AS messages,
		array_agg(c.id) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS unread,
		array_agg(m.read_seq) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS reads
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
)
SELECT pg_current_snapshot()::text, epoch, coalesce(ids[1:$5 + 1], '{}'), gone,
	CASE WHEN coalesce(cardinality(ids), 0) <= $5 THEN coalesce(messages, 0)::bigint - (
		SELECT count(*) FROM unnest(unread, reads) AS u (id, read_seq) JOIN message_states s ON s.conversation_id = u.id
		WHERE s.seq > u.read_seq AND s.recalled_seq IS NOT NULL
	) ELSE 0 END
FROM mine, epoch`

	syncChangedSQL = `
WITH mine AS MATERIALIZED (
	SELECT
		array_agg(c.id ORDER BY c.id) FILTER (WHERE m.left_seq IS NULL AND c.id > $3::uuid
			AND (c.changed >= (SELECT pg_snapshot_xmin($5::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(c.changed, (SELECT $5::text::pg_snapshot))
				OR m.changed >= (SELECT pg_snapshot_xmin($5::text::pg_snapshot)) AND NOT pg_visible_in_snapshot(m.changed, (SELECT $5::text::pg_snapshot)))) AS ids,
		array_agg(c.id ORDER BY c.id) FILTER (WHERE m.left_seq IS NOT NULL AND NOT pg_visible_in_snapshot(m.changed, (SELECT $2::text::pg_snapshot))) AS gone,
		sum(c.message_count - m.read_message_no) FILTER (WHERE m.left_seq IS NULL) AS messages,
		array_agg(c.id) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS unread,
		array_agg(m.read_seq) FILTER (WHERE m.left_seq IS NULL AND c.message_count > m.read_message_no) AS reads
	FROM members m JOIN conversations c ON c.id = m.conversation_id WHERE m.user_id = $1
)
SELECT pg_current_snapshot()::text, epoch, coalesce(ids[1:$4 + 1], '{}'), gone,
	CASE WHEN coalesce(cardinality(ids), 0) <= $4 THEN coalesce(messages, 0)::bigint - (
		SELECT count(*) FROM unnest(unread, reads) AS u (id, read_seq) JOIN message_states s ON s.conversation_id = u.id
		WHERE s.seq > u.read_seq AND s.recalled_seq IS NOT NULL
	) ELSE 0 END
FROM mine, epoch`
)

// Sync returns a page of the user's conversations. Removed is complete on the
// page that is done; syncs always end. ErrCursorInvalid: sync without a cursor.
func (qs *Queries) Sync(ctx context.Context, q domain.SyncQuery) (page domain.SyncPage, err error) {
	if _, err := parseSyncCursor(q.Cursor, q.User); err != nil {
		return page, err
	}
	err = qs.db.LookupTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page = domain.SyncPage{
			Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{},
		}
		cursor, err := parseSyncCursor(q.Cursor, q.User) // moved along by an attempt
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
	found, err := c.survey(ctx, tx, q)
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
	var cast domain.ReferencedUsers
	cast.AddConversations(page.Conversations)
	if page.Users, err = users.ProfilesOf(ctx, tx, &cast); err != nil {
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

// survey is what going through the memberships once tells.
type survey struct {
	now    pg.Snapshot
	epoch  string
	ids    [][16]byte // of the next page, and one more if there are more
	gone   [][16]byte // with the last ids, as unread is
	unread int64
}

func (c *syncCursor) survey(ctx context.Context, tx pgx.Tx, q domain.SyncQuery) (s survey, err error) {
	gone := c.since
	if gone == nil && c.start.Xmax > 0 {
		gone = &c.start // what was left since it may have been listed; on the first page, nothing
	}
	var row pgx.Row
	user, left := string(q.User), snapshotText(gone)
	switch {
	case c.phase == phaseChanged:
		row = tx.QueryRow(ctx, syncChangedSQL, user, left, c.within.ID, q.Limit, c.start.String())
	case c.since == nil:
		row = tx.QueryRow(ctx, syncAllSQL, user, left, c.within.At, c.within.ID, q.Limit)
	default:
		row = tx.QueryRow(ctx, syncSinceSQL, user, left, c.within.At, c.within.ID, q.Limit, c.since.String())
	}
	var now string
	if err := row.Scan(&now, &s.epoch, &s.ids, &s.gone, &s.unread); err != nil {
		return s, err
	}
	s.now, err = pg.ParseSnapshot(now)
	return s, err
}

// views reads the conversations of the page: those that fit.
func (s survey) views(ctx context.Context, tx pgx.Tx, q domain.SyncQuery) (page []*view, more bool, err error) {
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

// finish tells what is gone, and where the next sync begins.
func (c *syncCursor) finish(found survey, page *domain.SyncPage) {
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
