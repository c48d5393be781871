package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"im/domain"
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
	since  *snapshot // what is new: nil, everything
	phase  uint64
	start  snapshot // of the sync: its first page
	begin  snapshot // of the phase: its first page
	within activityKey
}

func (c *syncCursor) String() string {
	w := newCursor(cursorOfSync)
	w.text(string(c.user))
	w.text(c.epoch)
	w.number(c.phase)
	if c.since == nil {
		w.number(0)
	} else {
		w.number(1)
		w.snapshot(*c.since)
	}
	if c.phase != 0 {
		w.snapshot(c.start)
		w.snapshot(c.begin)
		w.key(c.within)
	}
	return w.String()
}

func parseSyncCursor(text string, user domain.UserID) (*syncCursor, error) {
	if text == "" {
		return &syncCursor{user: user}, nil
	}
	r := readCursor(cursorOfSync, text)
	c := &syncCursor{user: domain.UserID(r.text()), epoch: r.text(), phase: r.number()}
	if r.number() == 1 {
		since := r.snapshot()
		c.since = &since
	}
	if c.phase != 0 {
		c.start, c.begin, c.within = r.snapshot(), r.snapshot(), r.key()
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	if c.user != user || c.phase > phaseChanged || c.phase == 0 && c.since == nil {
		return nil, domain.ErrCursorInvalid
	}
	return c, nil
}

const (
	syncNowSQL = `SELECT pg_current_snapshot()::text, epoch FROM epoch`

	syncActivitySQL = `
SELECT v.* FROM im_views_3(
	array_fill($1::text, ARRAY[$6::int]),
	ARRAY(
		SELECT c.id FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.user_id = $1 AND m.left_seq IS NULL AND (c.last_at, c.id) < ($4::timestamptz, $5::uuid)
			AND ($3::text IS NULL
				OR NOT pg_visible_in_snapshot(m.changed, $3::text::pg_snapshot)
				OR NOT pg_visible_in_snapshot(c.changed, $3::text::pg_snapshot))
		ORDER BY c.last_at DESC, c.id DESC LIMIT $6
	), $2) v`

	syncChangedSQL = `
SELECT v.* FROM im_views_3(
	array_fill($1::text, ARRAY[$5::int]),
	ARRAY(
		SELECT c.id FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.user_id = $1 AND m.left_seq IS NULL AND m.conversation_id > $4::uuid
			AND (NOT pg_visible_in_snapshot(m.changed, $3::text::pg_snapshot)
				OR NOT pg_visible_in_snapshot(c.changed, $3::text::pg_snapshot))
		ORDER BY c.id LIMIT $5
	), $2) v`

	syncDoneSQL = `
SELECT coalesce(array_agg(m.conversation_id ORDER BY m.conversation_id)
		FILTER (WHERE m.left_seq IS NOT NULL AND NOT pg_visible_in_snapshot(m.changed, $2::text::pg_snapshot)), '{}'),
	coalesce(sum(c.message_count - m.read_message_no - (
		SELECT count(*) FROM message_states s
		WHERE s.conversation_id = c.id AND s.seq > m.read_seq AND s.recalled_seq IS NOT NULL
	)) FILTER (WHERE m.left_seq IS NULL), 0)::bigint
FROM members m JOIN conversations c ON c.id = m.conversation_id
WHERE m.user_id = $1`
)

// Sync returns a page of the user's conversations. Removed is complete on the
// page that is done; syncs always end. ErrCursorInvalid: sync without a cursor.
func (s *Store) Sync(ctx context.Context, q domain.SyncQuery) (page domain.SyncPage, err error) {
	if _, err := parseSyncCursor(q.Cursor, q.User); err != nil {
		return page, err
	}
	err = s.readTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
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
	var text string
	if err := tx.QueryRow(ctx, syncNowSQL).Scan(&text, &page.Epoch); err != nil {
		return err
	}
	now, err := parseSnapshot(text)
	if err != nil {
		return err
	}
	if c.epoch != "" && c.epoch != page.Epoch {
		return domain.ErrCursorInvalid
	}
	c.epoch = page.Epoch
	first := c.phase == 0
	if first {
		c.phase, c.start, c.begin, c.within = phaseActivity, now, now, latestActivity()
	}
	views, more, err := c.walk(ctx, tx, q)
	if err != nil {
		return err
	}
	for _, v := range views {
		page.Conversations = append(page.Conversations, v.ConversationView)
	}
	var cast domain.Cast
	cast.AddConversations(page.Conversations)
	if page.Users, err = profilesOf(ctx, tx, &cast); err != nil {
		return err
	}
	switch {
	case more:
		c.within = views[len(views)-1].key()
	case c.phase == phaseActivity && !first:
		c.phase, c.begin, c.within = phaseChanged, now, activityKey{}
	default:
		return c.finish(ctx, tx, page)
	}
	page.Cursor = c.String()
	return nil
}

// walk reads the next page of the phase.
func (c *syncCursor) walk(ctx context.Context, tx pgx.Tx, q domain.SyncQuery) (views []*view, more bool, err error) {
	var rows pgx.Rows
	if c.phase == phaseActivity {
		rows, err = tx.Query(ctx, syncActivitySQL, string(q.User), string(q.Device), snapshotText(c.since),
			c.within.at, c.within.id, q.Limit+1)
	} else {
		rows, err = tx.Query(ctx, syncChangedSQL, string(q.User), string(q.Device), c.start.String(), c.within.id, q.Limit+1)
	}
	if err != nil {
		return nil, false, err
	}
	if views, err = pgx.CollectRows(rows, scanView); err != nil || len(views) == 0 {
		return nil, false, err
	}
	shown := views[:min(q.Limit, len(views))]
	n, err := fillTimelines(ctx, tx, shown, q.TimelineLimit)
	if err != nil {
		return nil, false, err
	}
	return shown[:n], n < len(views), nil
}

// finish tells what is gone, and where the next sync begins.
func (c *syncCursor) finish(ctx context.Context, tx pgx.Tx, page *domain.SyncPage) error {
	gone := c.since
	if gone == nil {
		gone = &c.start // what was left since it may have been listed
	}
	var ids [][16]byte
	var unread int64
	if err := tx.QueryRow(ctx, syncDoneSQL, string(c.user), gone.String()).Scan(&ids, &unread); err != nil {
		return err
	}
	for _, id := range ids {
		page.Removed = append(page.Removed, id)
	}
	page.Done, page.UnreadTotal = true, &unread
	next := syncCursor{user: c.user, epoch: c.epoch, since: &c.begin}
	page.Cursor = next.String()
	return nil
}

func snapshotText(s *snapshot) *string {
	if s == nil {
		return nil
	}
	text := s.String()
	return &text
}
