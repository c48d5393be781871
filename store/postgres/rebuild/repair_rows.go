package rebuild

import (
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const writeEventsSQL = `
UPDATE events e SET message_no = d.message_no, target_seq = nullif(d.target, 0)
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS d (seq, message_no, target)
WHERE e.conversation_id = $1 AND e.seq = d.seq`

// queueEvents queues some of the events, and returns how many.
func (c *comparison) queueEvents(b *pgx.Batch) int {
	n := min(len(c.events), 2*repairChunk) // more than the log can gain during a step, so that it ends
	if n == 0 {
		return 0
	}
	var seqs, numbers, targets []int64
	for _, e := range c.events[:n] {
		seqs, numbers, targets = append(seqs, e.seq), append(numbers, e.messageNo), append(targets, e.target)
	}
	b.Queue(writeEventsSQL, c.id, seqs, numbers, targets)
	return n
}

const (
	// When the number of messages rises, a trigger unarchives the conversation, so the
	// flag is cleared while the row is written.
	hideArchivedSQL = `UPDATE conversations SET archived = false WHERE id = $1 AND archived`
	showArchivedSQL = `
UPDATE conversations SET archived = true
WHERE id = $1 AND EXISTS (SELECT FROM members WHERE conversation_id = $1 AND archived)`

	// Columns that follow from no event are left as they are. In a row that was missing,
	// blocks are restored; the client's id of the conversation is lost.
	writeHeadSQL = `
INSERT INTO conversations AS c (id, kind, creator, direct_key, title, avatar_url, settings, metadata, created_at, last_at,
	head_seq, message_count, last_message_seq, member_count, version, changed, blocked)
VALUES ($1, $2, $3, nullif($4::text, ''), $5, $6, $7::text::json, $8::text::json, $9, $10, $11, $12, $13, $14, $15, pg_current_xact_id(),
	CASE WHEN EXISTS (SELECT FROM blocks WHERE blocked = split_part($4::text, E'\n', 1) AND blocker = split_part($4::text, E'\n', 2)) THEN 1 ELSE 0 END
	+ CASE WHEN EXISTS (SELECT FROM blocks WHERE blocked = split_part($4::text, E'\n', 2) AND blocker = split_part($4::text, E'\n', 1)) THEN 2 ELSE 0 END)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, creator = excluded.creator, direct_key = excluded.direct_key,
	title = excluded.title, avatar_url = excluded.avatar_url, settings = excluded.settings, metadata = excluded.metadata,
	created_at = CASE WHEN c.created_at > excluded.created_at - interval '1 second' AND c.created_at <= excluded.created_at
		THEN c.created_at ELSE excluded.created_at END,
	last_at = excluded.last_at, head_seq = excluded.head_seq, message_count = excluded.message_count,
	last_message_seq = excluded.last_message_seq, member_count = excluded.member_count`

	// When last_message_seq rises, a trigger sets last_message_at to last_at, so the time is
	// written afterwards.
	writeMessageTimeSQL = `UPDATE conversations SET last_message_at = $2 WHERE id = $1`
)

func (c *comparison) queueHead(b *pgx.Batch) {
	if !c.head {
		return
	}
	f := &c.fold
	b.Queue(hideArchivedSQL, c.id)
	b.Queue(writeHeadSQL, c.id, string(f.Kind), string(f.Creator), f.DirectKey, f.Title, f.AvatarURL,
		pg.SettingsJSON(f.Settings), pg.NullableJSON(f.Metadata), f.CreatedAt.Time, f.LastAt.Time,
		f.Head, f.MessageCount(), f.LastMessage, f.MemberCount(), f.Version)
	var posted *time.Time
	if f.LastMessage > 0 {
		posted = &f.LastPosted.Time
	}
	b.Queue(writeMessageTimeSQL, c.id, posted)
	b.Queue(showArchivedSQL, c.id)
}

const (
	// Preferences and read positions are left as they are, within their bounds.
	writeMembersSQL = `
INSERT INTO members AS m (user_id, conversation_id, role, joined_seq, left_seq, read_seq, read_message_no, posted_seq, changed)
SELECT u.user_id, $1, u.role, u.joined, nullif(u.gone, 0), u.read, coalesce(e.message_no, 0), u.posted, pg_current_xact_id()
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $8::bigint[]) AS u (user_id, role, joined, gone, read, posted)
LEFT JOIN events e ON e.conversation_id = $1 AND e.seq = u.read
ORDER BY u.user_id COLLATE "C"
ON CONFLICT (user_id, conversation_id) DO UPDATE SET role = excluded.role, joined_seq = excluded.joined_seq,
	left_seq = excluded.left_seq, read_seq = least(greatest(m.read_seq, excluded.read_seq), $7), posted_seq = excluded.posted_seq, changed = excluded.changed`

	writeNumbersSQL = `
UPDATE members m SET read_message_no = n.message_no, changed = pg_current_xact_id() FROM (
	SELECT m.user_id, coalesce(e.message_no, 0) AS message_no
	FROM unnest($2::text[]) AS u (user_id)
	JOIN members m ON m.user_id = u.user_id AND m.conversation_id = $1
	LEFT JOIN events e ON e.conversation_id = $1 AND e.seq = m.read_seq
	ORDER BY m.user_id FOR NO KEY UPDATE OF m
) n
WHERE m.user_id = n.user_id AND m.conversation_id = $1 AND m.read_message_no <> n.message_no`
)

// queueMembers queues member rows. A user who is not in the log becomes one who has
// left, so that syncs remove the conversation.
func (c *comparison) queueMembers(b *pgx.Batch, users []domain.UserID) {
	var roles []string
	var joined, gone, read, posted []int64
	for _, user := range users {
		m, known := c.fold.Members[user]
		if !known {
			m = domain.FoldedMember{Role: domain.RoleMember, Left: c.fold.Head}
		}
		roles = append(roles, string(m.Role))
		joined, gone, read = append(joined, m.Joined), append(gone, m.Left), append(read, minRead(m))
		posted = append(posted, m.Posted)
	}
	b.Queue(writeMembersSQL, c.id, users, roles, joined, gone, read, c.fold.Head, posted)
}

func (c *comparison) queueNumbers(b *pgx.Batch, users []domain.UserID) {
	b.Queue(writeNumbersSQL, c.id, users)
}

const (
	dropStatesSQL = `DELETE FROM message_states WHERE conversation_id = $1 AND seq = ANY ($2)`

	writeStatesSQL = `
INSERT INTO message_states (conversation_id, seq, touched, edited_seq, recalled_seq)
SELECT $1, s.seq, s.touched, nullif(s.edited, 0), nullif(s.recalled, 0)
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS s (seq, touched, edited, recalled)`
)

func (c *comparison) queueStates(b *pgx.Batch, keys []int64) {
	var seqs, touched, edited, recalled []int64
	for _, seq := range keys {
		if t, ok := c.fold.Revisions[seq]; ok {
			seqs, touched = append(seqs, seq), append(touched, t.Revision())
			edited, recalled = append(edited, t.Edited), append(recalled, t.Recalled)
		}
	}
	b.Queue(dropStatesSQL, c.id, keys)
	b.Queue(writeStatesSQL, c.id, seqs, touched, edited, recalled)
}

const (
	dropMentionsSQL = `DELETE FROM mentions WHERE conversation_id = $1 AND seq = ANY ($2)`

	writeMentionsSQL = `
INSERT INTO mentions (conversation_id, user_id, seq, sender)
SELECT $1, m.user_id, m.seq, m.sender FROM unnest($2::text[], $3::bigint[], $4::text[]) AS m (user_id, seq, sender)`
)

func (c *comparison) queueMentions(b *pgx.Batch, keys []int64) {
	var users, senders []domain.UserID
	var seqs []int64
	for _, seq := range keys {
		m := c.fold.Mentions[seq]
		for _, user := range m.Users {
			users, seqs, senders = append(users, user), append(seqs, seq), append(senders, m.Sender)
		}
	}
	b.Queue(dropMentionsSQL, c.id, keys)
	b.Queue(writeMentionsSQL, c.id, users, seqs, senders)
}

const (
	dropReactionsSQL = `
DELETE FROM reactions r USING unnest($2::bigint[], $3::text[], $4::text[]) AS k (target_seq, emoji, user_id)
WHERE r.conversation_id = $1 AND r.target_seq = k.target_seq AND r.emoji = k.emoji AND r.user_id = k.user_id`

	writeReactionsSQL = `
INSERT INTO reactions (conversation_id, target_seq, emoji, user_id, seq, at)
SELECT $1, r.target_seq, r.emoji, r.user_id, r.seq, r.at
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[]) AS r (target_seq, emoji, user_id, seq, at)
WHERE r.seq > 0`
)

func (c *comparison) queueReactions(b *pgx.Batch, keys []domain.FoldedReactor) {
	var targets, seqs []int64
	var emojis, users []string
	var ats []time.Time
	for _, key := range keys {
		mark := c.fold.Reactions[key] // seq 0: there is none
		targets, emojis, users = append(targets, key.Target), append(emojis, key.Emoji), append(users, string(key.User))
		seqs, ats = append(seqs, mark.Seq), append(ats, mark.At.Time)
	}
	b.Queue(dropReactionsSQL, c.id, targets, emojis, users)
	b.Queue(writeReactionsSQL, c.id, targets, emojis, users, seqs, ats)
}

const (
	dropPinsSQL = `DELETE FROM pins WHERE conversation_id = $1 AND target_seq = ANY ($2)`

	writePinsSQL = `
INSERT INTO pins (conversation_id, target_seq, user_id, seq, at)
SELECT $1, p.target_seq, p.user_id, p.seq, p.at
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::timestamptz[]) AS p (target_seq, user_id, seq, at)
WHERE p.seq > 0`
)

func (c *comparison) queuePins(b *pgx.Batch, keys []int64) {
	var users []string
	var seqs []int64
	var ats []time.Time
	for _, target := range keys {
		mark := c.fold.Pins[target]
		users, seqs, ats = append(users, string(mark.User)), append(seqs, mark.Seq), append(ats, mark.At.Time)
	}
	b.Queue(dropPinsSQL, c.id, keys)
	b.Queue(writePinsSQL, c.id, keys, users, seqs, ats)
}
