package push

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// lanesPlanned is how many lanes one statement turns into notifications, unless that are
	// more than membersPlanned members. It always takes one. Of a large group, it takes
	// partPlanned members; the others come later, when lanes that are due for longer had
	// their turn. So a statement is short: until it ends, it holds the lanes, and the
	// registrations of those whom it notifies.
	lanesPlanned   = 100
	membersPlanned = 2000
	partPlanned    = 500
	// alonePlanned is how many members of a lane are planned at once after a plan has failed.
	alonePlanned = 50
	// planPause is how long a lane waits that cannot be planned alone either.
	planPause = 10 * time.Second

	// latest is the last message that the registration r of the member m is to be notified
	// of, from x.low to x.high: one of others that was neither read nor acknowledged by the
	// device, nor recalled, which the user wants to know of, and which is not older than $1.
	latest = `LATERAL (
	SELECT e.seq, e.at, e.sender, w.mentioned FROM events e CROSS JOIN LATERAL (
		SELECT EXISTS (
			SELECT FROM mentions w WHERE w.conversation_id = e.conversation_id AND w.seq = e.seq AND w.user_id IN (m.user_id, '*')
		) AS mentioned
	) w
	WHERE e.conversation_id = m.conversation_id
		AND e.seq BETWEEN greatest(x.low, m.joined_seq, m.read_seq + 1, 1 + coalesce((
			SELECT d.acked_seq FROM device_cursors d
			WHERE d.user_id = r.user_id AND d.device_id = r.device_id AND d.conversation_id = m.conversation_id
		), 0)) AND x.high
		AND e.type = 'message.posted' AND e.sender <> m.user_id AND e.at > clock_timestamp() - $1::interval
		AND (m.notify = 'all' OR m.notify = 'mentions' AND w.mentioned)
		AND NOT EXISTS (
			SELECT FROM message_states s WHERE s.conversation_id = e.conversation_id AND s.seq = e.seq AND s.recalled_seq IS NOT NULL
		)
		AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = m.user_id AND b.blocked = e.sender)
	ORDER BY e.seq DESC LIMIT 1
)`

	banned = `EXISTS (SELECT FROM user_bans b WHERE b.user_id = r.user_id AND (b.until IS NULL OR b.until > clock_timestamp()))`

	// planSQL goes through the lanes that are due, up to the last event that is older than
	// the delay. A head that the snapshot does not show waits for the next time. Members who
	// come while a pass through a group is begun are owed nothing of what it is about. A plan
	// looks back 500 events, as the jobs do.
	//
	// The registrations are locked before the rows are written: one that is deleted meanwhile
	// is left out, and does not make the statement fail.
	//
	// A notification that waits for its next attempt goes on waiting, with the new message.
	// After one that was sent, the next one of the conversation waits for the delay.
	planSQL = `
WITH due AS MATERIALIZED (
	SELECT conversation_id, next_seq, head_seq, due_at, pass_seq, after_user FROM push_lanes
	WHERE due_at <= (SELECT clock_timestamp()) AND ($6::uuid IS NULL OR conversation_id = $6)
	ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
), chosen AS MATERIALIZED (
	SELECT * FROM (
		SELECT d.*, sum(d.members) OVER (ORDER BY d.due_at, d.conversation_id) AS total
		FROM (
			SELECT d.*, least(d.head_seq, coalesce(c.head_seq, 0)) AS head, least(coalesce(c.member_count, 0), $5) AS members
			FROM due d LEFT JOIN conversations c ON c.id = d.conversation_id
		) d
	) d WHERE total - members < $4
), spans AS MATERIALIZED (
	SELECT c.conversation_id, c.head_seq, c.head, c.after_user,
		CASE WHEN (SELECT at FROM events WHERE conversation_id = c.conversation_id AND seq = c.next_seq) > clock_timestamp() - $1::interval
			THEN c.next_seq
			ELSE greatest(c.next_seq, 1 + im_seq_at_1(c.conversation_id, c.head, clock_timestamp() - $1::interval)) END AS low,
		CASE WHEN c.pass_seq > 0 THEN least(c.pass_seq, c.head)
			WHEN (SELECT at FROM events WHERE conversation_id = c.conversation_id AND seq = c.head) <= clock_timestamp() - $2::interval
			THEN c.head
			ELSE im_seq_at_1(c.conversation_id, c.head, clock_timestamp() - $2::interval) END AS high
	FROM chosen c
), x AS MATERIALIZED (
	SELECT s.conversation_id, s.head_seq, s.head, s.after_user, greatest(s.low, s.high - 500) AS low, s.high FROM spans s
), part AS MATERIALIZED (
	SELECT m.* FROM x CROSS JOIN LATERAL (
		SELECT m.conversation_id, m.user_id, m.joined_seq, m.read_seq, m.notify FROM members m
		WHERE m.conversation_id = x.conversation_id AND m.left_seq IS NULL AND m.user_id > x.after_user
		ORDER BY m.user_id LIMIT $5
	) m WHERE x.low <= x.high
), parts AS MATERIALIZED (
	SELECT conversation_id, max(user_id) AS last_user FROM part GROUP BY conversation_id HAVING count(*) = $5
), owed AS MATERIALIZED (
	SELECT r.user_id, x.conversation_id, r.device_id, r.provider, r.service, e.seq
	FROM x JOIN part m ON m.conversation_id = x.conversation_id
	JOIN push_registrations r ON r.user_id = m.user_id
	CROSS JOIN ` + latest + ` e
	WHERE NOT ` + banned + ` AND NOT ` + revoked + `
	ORDER BY r.user_id, x.conversation_id, r.device_id FOR KEY SHARE OF r
), noted AS (
	INSERT INTO push_notifications AS n (user_id, conversation_id, device_id, provider, service, seq, due_at)
	SELECT user_id, conversation_id, device_id, provider, service, seq, clock_timestamp() FROM owed
	ORDER BY user_id, conversation_id, device_id
	ON CONFLICT (user_id, conversation_id, device_id) DO UPDATE SET seq = excluded.seq,
		due_at = CASE WHEN n.seq > n.sent_seq THEN n.due_at ELSE greatest(clock_timestamp(), n.sent_at + $2::interval) END,
		attempts = CASE WHEN n.seq > n.sent_seq THEN n.attempts ELSE 0 END
	WHERE n.seq < excluded.seq
), begun AS (
	UPDATE push_lanes l SET pass_seq = x.high, after_user = p.last_user, due_at = clock_timestamp()
	FROM x JOIN parts p ON p.conversation_id = x.conversation_id WHERE l.conversation_id = x.conversation_id
), moved AS (
	UPDATE push_lanes l SET next_seq = greatest(l.next_seq, x.high + 1), pass_seq = 0, after_user = '', due_at = greatest(clock_timestamp() + interval '50 milliseconds', coalesce((
		SELECT at + $2::interval FROM events WHERE conversation_id = x.conversation_id AND seq = x.high + 1
	), clock_timestamp() + interval '1 second'))
	FROM x WHERE l.conversation_id = x.conversation_id AND x.high < x.head_seq AND x.head > 0
		AND NOT EXISTS (SELECT FROM parts p WHERE p.conversation_id = x.conversation_id)
), ended AS (
	DELETE FROM push_lanes l USING x WHERE l.conversation_id = x.conversation_id AND (x.high >= x.head_seq OR x.head = 0)
		AND NOT EXISTS (SELECT FROM parts p WHERE p.conversation_id = x.conversation_id)
)
SELECT (SELECT count(*) FROM x), (SELECT count(*) FROM due), (SELECT count(*) FROM parts)`

	dueSQL = `SELECT conversation_id FROM push_lanes WHERE due_at <= (SELECT clock_timestamp()) ORDER BY due_at LIMIT $1`

	postponeSQL = `UPDATE push_lanes SET due_at = clock_timestamp() + $2::interval WHERE conversation_id = $1`
)

// PlanPushes turns lanes that are due into notifications, and reports whether more are due.
// If that fails, each lane is planned alone, up to the first one that fails alone, too. That one
// waits for some seconds, and does not hold up the others.
func (p *Pushes) PlanPushes(ctx context.Context, rules domain.PushRules) (more bool, err error) {
	more, err = p.planned(ctx, rules, partPlanned, nil)
	if err == nil || ctx.Err() != nil {
		return more, err
	}
	lanes, listed := pg.ReadAll(ctx, p.db, pgx.RowTo[domain.ConversationID], dueSQL, lanesPlanned)
	if listed != nil {
		return false, err
	}
	for _, id := range lanes {
		if _, err := p.planned(ctx, rules, alonePlanned, &id); err != nil {
			p.db.Logger.WarnContext(ctx, "a conversation cannot be planned for push notifications; it waits", "conversation", id, "pause", planPause, "error", err)
			// The next call goes on: the lease of the feed must not end meanwhile.
			return false, errors.Join(err, p.exec(ctx, postponeSQL, id, planPause))
		}
	}
	return false, err
}

// planned plans the lanes that are due, or only that of one conversation.
func (p *Pushes) planned(ctx context.Context, rules domain.PushRules, part int, only *domain.ConversationID) (more bool, err error) {
	type count struct{ planned, due, begun int }
	list, err := pg.ReadAll(ctx, p.db, func(row pgx.CollectableRow) (c count, err error) {
		return c, row.Scan(&c.planned, &c.due, &c.begun)
	}, planSQL, rules.Within, rules.Delay, lanesPlanned, membersPlanned, part, only)
	if err != nil || len(list) == 0 {
		return false, err
	}
	return list[0].due == lanesPlanned || list[0].planned < list[0].due || list[0].begun > 0, nil
}
