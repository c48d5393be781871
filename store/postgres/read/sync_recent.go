package read

import (
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// The statements of a sync after few changes return what those of sync.go return, for a
// user with a record of unread messages. They look at those conversations only that
// changed since the older one of cursor and record:
//
//   - the feed names all conversations with new events, of any user: those since the
//     transaction $7, and the earlier ones $8 that were in progress;
//   - a membership that changed names itself, in one scan of the user's narrow rows: by
//     events, and by read positions and preferences, which are not in the feed.
//
// $10 is the oldest of these transactions. If it may be among the commits that were deleted,
// or if there are more than $9 conversations in the feed, the third last column is false,
// and the statement of sync.go is needed. The last
// two columns are the unread messages of all conversations that it looked at, as they are
// now.
//
// The lateral subqueries are fences: the planner cannot begin with all members.
const (
	syncRecentHead = `
WITH feed AS MATERIALIZED (
	SELECT r.id FROM (
		SELECT conversations FROM commits WHERE tx >= $7::text::xid8
		UNION ALL
		SELECT conversations FROM commits WHERE tx = ANY ($8::text[]::xid8[])
	) c CROSS JOIN LATERAL unnest(c.conversations) AS r (id)
	LIMIT $9::int + 1
), complete AS MATERIALIZED (
	SELECT (SELECT count(*) FROM feed) <= $9 AND feed_gone < $10::text::xid8 AS yes, epoch FROM epoch
), looked AS (
	SELECT id FROM feed WHERE (SELECT yes FROM complete)
	UNION
	SELECT conversation_id FROM members
	WHERE user_id = $1 AND (changed >= $7::text::xid8 OR changed = ANY ($8::text[]::xid8[])) AND (SELECT yes FROM complete)
), mine AS MATERIALIZED (
	SELECT c.id, c.active_at, m.left_seq IS NULL AS present, m.changed AS entered, c.unread,
		NOT pg_visible_in_snapshot(c.changed, (SELECT $5::text::pg_snapshot)) AND c.changed < ` + present + `
			OR NOT pg_visible_in_snapshot(m.changed, (SELECT $5::text::pg_snapshot)) AND m.changed < ` + present + ` AS new
	FROM looked
	CROSS JOIN LATERAL (SELECT * FROM members WHERE user_id = $1 AND conversation_id = looked.id OFFSET 0) m
	CROSS JOIN LATERAL (
		SELECT c.id, c.changed, ` + activeAt + ` AS active_at, CASE WHEN m.left_seq IS NULL THEN
				c.message_count - m.read_message_no - (
					SELECT count(*) FROM message_states s
					WHERE s.conversation_id = c.id AND s.seq > m.read_seq AND s.recalled_seq IS NOT NULL AND c.message_count > m.read_message_no
				)
			ELSE 0 END AS unread
		FROM conversations c WHERE c.id = looked.id OFFSET 0
	) c
)
SELECT pg_current_snapshot()::text, complete.epoch,
	ARRAY(
		SELECT id FROM mine WHERE present AND new AND `

	syncRecentEnd = ` LIMIT $3 + 1
	),
	ARRAY(
		SELECT id FROM mine
		WHERE NOT present AND NOT pg_visible_in_snapshot(entered, (SELECT $2::text::pg_snapshot)) AND entered < ` + present + `
		ORDER BY id
	),
	complete.yes, u.ids, u.counts
FROM complete CROSS JOIN LATERAL (SELECT array_agg(id) AS ids, array_agg(unread::int) AS counts FROM mine) u`

	syncRecentSinceSQL = syncRecentHead + `(active_at, id) < ($6::timestamptz, $4::uuid) ORDER BY active_at DESC, id DESC` + syncRecentEnd

	syncRecentChangedSQL = syncRecentHead + `id > $4::uuid AND $6::timestamptz IS NOT NULL ORDER BY id` + syncRecentEnd
)

// findRecent finds the next page of a sync by a record, which it changes. It reports
// whether that was possible; if not, the record is not changed.
func (c *syncCursor) findRecent(ctx context.Context, tx pgx.Tx, q domain.SyncQuery, record *unreadRecord) (s syncResult, ok bool, err error) {
	left, since := c.changesSince()
	if since == nil || !record.usable(c.epoch) {
		return s, false, nil
	}
	sql := syncRecentSinceSQL
	if c.phase == phaseChanged {
		sql = syncRecentChangedSQL
	}
	from, inProgress, oldest := newIn(*left, *since, record.at)
	var now string
	var ids [][16]byte
	var counts []int32
	err = tx.QueryRow(ctx, sql, string(q.User), left.String(), q.Limit, c.within.ID, since.String(), c.within.At,
		from, inProgress, record.conversations/2, oldest).
		Scan(&now, &s.epoch, &s.ids, &s.gone, &ok, &ids, &counts)
	if err != nil {
		return s, false, err
	}
	if s.now, err = pg.ParseSnapshot(now); err != nil {
		return s, false, err
	}
	if !ok || s.epoch != record.epoch || s.now.Xmax < record.at.Xmax {
		return s, false, nil
	}
	for i, id := range ids {
		record.set(id, counts[i])
	}
	record.at = s.now
	s.record, s.unread = record, record.total
	return s, true, nil
}

// newIn returns the transactions that some of the snapshots have not seen: those from a
// transaction on, and some before it that were in progress. They include some that all
// have seen. oldest is the oldest of them.
func newIn(snapshots ...pg.Snapshot) (from string, inProgress []string, oldest string) {
	first := snapshots[0].Xmax
	for _, s := range snapshots {
		first = min(first, s.Xmax)
	}
	oldestID, inProgress := first, []string{}
	for _, s := range snapshots {
		for _, xid := range s.Xip {
			if text := strconv.FormatUint(xid, 10); xid < first && !slices.Contains(inProgress, text) {
				oldestID, inProgress = min(oldestID, xid), append(inProgress, text)
			}
		}
	}
	return strconv.FormatUint(first, 10), inProgress, strconv.FormatUint(oldestID, 10)
}
