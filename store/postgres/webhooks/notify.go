package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/internal/unread"
)

const (
	// notifyMessages is how many messages without recipients one call goes through.
	notifyMessages = 64
	// lastUser is above every user id.
	lastUser = "\x7f"
)

// nextMessageSQL finds the next message of a lane that was not recalled and is not too old.
// Times have no index, but do not descend with seqs.
const nextMessageSQL = `
WITH young AS MATERIALIZED (
	SELECT greatest($2, 1 + im_seq_at_1($1, least($3, head_seq), clock_timestamp() - $4::interval)) AS seq
	FROM conversations WHERE id = $1
)
SELECT CASE WHEN y.seq > $2 THEN
		coalesce((SELECT message_no FROM events WHERE conversation_id = $1 AND seq = y.seq - 1), 0)
		- coalesce((SELECT message_no FROM events WHERE conversation_id = $1 AND seq = $2 - 1), 0)
	ELSE 0 END,
	e.conversation_id, e.seq, e.type, e.sender, e.client_msg_id, e.at, e.body, e.at + $5::interval - clock_timestamp()
FROM young y LEFT JOIN LATERAL (
	SELECT conversation_id, seq, type, sender, coalesce(client_msg_id, '') AS client_msg_id, at, body::text FROM events e
	WHERE conversation_id = $1 AND seq BETWEEN y.seq AND $3 AND type = 'message.posted' AND NOT EXISTS (
		SELECT FROM message_states s WHERE s.conversation_id = $1 AND s.seq = e.seq AND s.recalled_seq IS NOT NULL
	)
	ORDER BY seq LIMIT 1
) e ON true`

// partSQL returns the last member of a part, and the first member after it. There is no row
// if the part is the last one and not full. A member who joined after the message is in none.
const partSQL = `
SELECT user_id FROM members
WHERE conversation_id = $1 AND left_seq IS NULL AND joined_seq <= $2 AND user_id > $3
ORDER BY user_id OFFSET $4 - 1 LIMIT 2`

// recipientsSQL returns the members of a part who are to be notified: those who have not read
// the message, want to be notified of it, have not blocked the sender, and are not banned
// from the app; unless all devices of the user have acknowledged it, or if $6 is false, one
// of them. A user without devices has acknowledged nothing.
//
// The devices of a user are those that have acknowledged anything in the last 30 days. The
// recursive query skips from device to device, because a device has one row for each of its
// conversations.
const recipientsSQL = `
WITH part AS MATERIALIZED (
	SELECT m.user_id, m.notify, EXISTS (
		SELECT FROM mentions w WHERE w.conversation_id = $1 AND w.seq = $2 AND w.user_id IN (m.user_id, '*')
	) AS mentioned
	FROM members m
	WHERE m.conversation_id = $1 AND m.left_seq IS NULL AND m.user_id > $4 AND m.user_id <= $5
		AND m.joined_seq <= $2 AND m.read_seq < $2 AND m.user_id <> $3 AND m.notify <> 'none'
)
SELECT p.user_id, p.mentioned, p.notify FROM part p CROSS JOIN LATERAL (
	WITH RECURSIVE leap AS (
		SELECT min(c.device_id) AS device_id FROM device_cursors c WHERE c.user_id = p.user_id
		UNION ALL
		SELECT (SELECT min(c.device_id) FROM device_cursors c WHERE c.user_id = p.user_id AND c.device_id > leap.device_id)
		FROM leap WHERE leap.device_id IS NOT NULL
	)
	SELECT count(*) AS devices, count(*) FILTER (WHERE EXISTS (
		SELECT FROM device_cursors c
		WHERE c.user_id = p.user_id AND c.device_id = leap.device_id AND c.conversation_id = $1 AND c.acked_seq >= $2
	)) AS acked
	FROM leap WHERE leap.device_id IS NOT NULL
) d
WHERE (p.notify = 'all' OR p.mentioned) AND (d.acked = 0 OR $6 AND d.acked < d.devices)
	AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = p.user_id AND b.blocked = $3)
	AND NOT EXISTS (SELECT FROM user_bans b WHERE b.user_id = p.user_id AND (b.until IS NULL OR b.until > clock_timestamp()))
ORDER BY p.user_id`

// OwedNotification returns the next message.notify of a lane, as everything is now.
func (w *Webhooks) OwedNotification(
	ctx context.Context, l domain.WebhookLane, recipients domain.WebhookRecipients, rules domain.NotifyRules,
) (n domain.Notification, err error) {
	next, part := l.Next, l.Part
	for range notifyMessages {
		m, err := w.nextMessage(ctx, l.ConversationID, next, l.Head, rules)
		if err != nil {
			return n, err
		}
		n.Dropped += m.dropped
		switch {
		case m.event == nil:
			n.Seq = max(l.Head, l.Next-1)
			return n, nil
		case m.wait > 0:
			n.Seq, n.Wait = m.event.Seq, m.wait
			return n, nil
		case m.event.Seq != l.Next: // a part that was begun belongs to another message
			part = domain.NotifyPart{}
		}
		found, err := w.notificationOf(ctx, m.event, part, recipients, rules)
		if err != nil || found.Event != nil {
			found.Dropped = n.Dropped
			return found, err
		}
		next = m.event.Seq + 1
		part = domain.NotifyPart{}
	}
	n.Seq = next - 1
	return n, nil
}

// notificationOf returns the next part of a message that has recipients, from a part on.
// Its Event is nil if none has.
func (w *Webhooks) notificationOf(
	ctx context.Context, e *domain.Event, part domain.NotifyPart, to domain.WebhookRecipients, rules domain.NotifyRules,
) (n domain.Notification, err error) {
	for {
		last := part.Upto == lastUser
		if part.Upto == "" { // not stored: no call was begun
			if part, last, err = w.part(ctx, e, part, rules.Members); err != nil {
				return n, err
			}
		}
		list, err := w.recipients(ctx, e, part, to)
		if err != nil {
			return n, err
		}
		if len(list) > 0 {
			return domain.Notification{Event: e, Recipients: list, Part: part, Last: last, Seq: e.Seq}, nil
		}
		if last {
			return n, nil
		}
		part = part.Next()
	}
}

// message is a row of nextMessageSQL.
type message struct {
	event   *domain.Event // nil: none
	wait    time.Duration
	dropped int64
}

func (w *Webhooks) nextMessage(ctx context.Context, id domain.ConversationID, next, head int64, rules domain.NotifyRules) (m message, err error) {
	list, err := pg.ReadAll(ctx, w.db, scanMessage, nextMessageSQL, id, next, head, rules.Within, rules.Delay)
	if err != nil || len(list) == 0 {
		return m, err
	}
	return list[0], nil
}

func scanMessage(row pgx.CollectableRow) (m message, err error) {
	var conversation *domain.ConversationID
	var seq *int64
	var kind, sender, key, body *string
	var at *time.Time
	var wait *time.Duration
	if err := row.Scan(&m.dropped, &conversation, &seq, &kind, &sender, &key, &at, &body, &wait); err != nil || seq == nil {
		return m, err
	}
	m.event = &domain.Event{
		ConversationID: *conversation, Seq: *seq, Type: domain.EventType(*kind), Sender: domain.UserID(*sender), ClientMsgID: *key,
		At: domain.TimeOf(*at), Body: []byte(*body),
	}
	m.wait = *wait
	return m, nil
}

// part returns the part with its last member, and whether it is the last one.
func (w *Webhooks) part(ctx context.Context, e *domain.Event, p domain.NotifyPart, members int) (part domain.NotifyPart, last bool, err error) {
	bounds, err := pg.ReadAll(ctx, w.db, pgx.RowTo[string], partSQL, e.ConversationID, e.Seq, string(p.After), members)
	if err != nil {
		return p, false, err
	}
	p.Number = max(1, p.Number)
	if len(bounds) < 2 {
		p.Upto = lastUser
		return p, true, nil
	}
	p.Upto = domain.UserID(bounds[0])
	return p, false, nil
}

func (w *Webhooks) recipients(
	ctx context.Context, e *domain.Event, p domain.NotifyPart, to domain.WebhookRecipients,
) (list []domain.NotifyRecipient, err error) {
	list, err = pg.ReadAll(ctx, w.db, func(row pgx.CollectableRow) (r domain.NotifyRecipient, err error) {
		return r, row.Scan(&r.UserID, &r.Mentioned, &r.Notify)
	}, recipientsSQL, e.ConversationID, e.Seq, string(e.Sender), string(p.After), string(p.Upto), to != domain.RecipientsOffline)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	users := make([]domain.UserID, len(list))
	for i, r := range list {
		users[i] = r.UserID
	}
	totals, err := unread.Totals(ctx, w.db, users)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].UnreadTotal = totals[list[i].UserID]
	}
	return list, nil
}

const (
	// The attempts are those of a part.
	beginPartSQL = `
UPDATE webhook_lanes SET next_seq = $4, part = $5, after_user = $6, upto_user = $7,
	attempts = CASE WHEN next_seq = $4 AND part = $5 THEN attempts ELSE 0 END
WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq = $3 RETURNING head_seq, attempts`

	// A lane whose message waits has gone through all before it.
	postponeSQL = `
UPDATE webhook_lanes SET next_seq = $4, attempts = 0, part = 0, due_at = clock_timestamp() + $5::interval
WHERE webhook_id = $1 AND conversation_id = $2 AND next_seq = $3 RETURNING head_seq`
)

// BeginPart stores the part of a notification before its call, unless it is the only one,
// and moves the lane to the message. The error is ErrConflict if the lane has changed since
// it was read.
func (w *Webhooks) BeginPart(ctx context.Context, l *domain.WebhookLane, n *domain.Notification) error {
	if n.Last && n.Part.Number == 1 {
		return nil
	}
	p, attempts := n.Part, 0
	head, err := w.change(ctx, beginPartSQL, []any{&attempts}, l.TrackID, l.ConversationID, l.Next, n.Seq, p.Number, string(p.After), string(p.Upto))
	if err == nil {
		l.Next, l.Head, l.Part, l.Attempts = n.Seq, head, p, attempts
	}
	return err
}

// LanePostponed lets a lane be due later, with the event seq.
func (w *Webhooks) LanePostponed(ctx context.Context, l *domain.WebhookLane, seq int64, after time.Duration) error {
	_, err := w.change(ctx, postponeSQL, nil, l.TrackID, l.ConversationID, l.Next, seq, after)
	return err
}
