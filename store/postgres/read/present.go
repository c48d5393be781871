package read

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// Reactions and pins of messages: the present ones from the projections, those of a past
// state by folding the log up to a seq. Emojis are in the order of their first reaction.
const (
	reactionsSQL = `
SELECT t.n, r.emoji, count(*)::int, bool_or(r.user_id = $3)
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS t (id, seq, n)
JOIN reactions r ON r.conversation_id = t.id AND r.target_seq = t.seq
GROUP BY t.n, r.emoji
ORDER BY t.n, min(r.seq)`

	// Events of earlier versions hold U+FE0F; see domain.NormalizeEmoji.
	pastReactionsSQL = `
SELECT t.n, r.emoji, r.count, r.mine
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS t (id, seq, n)
CROSS JOIN LATERAL (
	SELECT emoji, count(*)::int AS count, bool_or(sender = $3) AS mine, min(seq) AS first
	FROM (
		SELECT DISTINCT ON (sender, emoji) sender, type, seq, emoji
		FROM (
			SELECT sender, type, seq, replace(body ->> 'emoji', U&'\FE0F', '') AS emoji
			FROM events
			WHERE conversation_id = t.id AND target_seq = t.seq AND seq <= $4 AND type IN ('reaction.added', 'reaction.removed')
		) reactions
		ORDER BY sender, emoji, seq DESC
	) last
	WHERE type = 'reaction.added' GROUP BY emoji
) r
ORDER BY t.n, r.first`

	pinnedSQL = `
SELECT t.n FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS t (id, seq, n)
JOIN pins p ON p.conversation_id = t.id AND p.target_seq = t.seq`

	pastPinnedSQL = `
SELECT t.n FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS t (id, seq, n)
CROSS JOIN LATERAL (
	SELECT type FROM events
	WHERE conversation_id = t.id AND target_seq = t.seq AND seq <= $3 AND type IN ('message.pinned', 'message.unpinned')
	ORDER BY seq DESC LIMIT 1
) p
WHERE p.type = 'message.pinned'`
)

// Decorate adds reactions and pins to messages, in one round trip: the state as of upto
// (math.MaxInt64: the present one), as the user sees it.
func Decorate(ctx context.Context, tx pgx.Tx, user domain.UserID, upto int64, messages []*domain.Message) error {
	if len(messages) == 0 {
		return nil
	}
	var queries pgx.Batch
	queueDecorations(&queries, user, upto, messages)
	return tx.SendBatch(ctx, &queries).Close()
}

func queueDecorations(queries *pgx.Batch, user domain.UserID, upto int64, messages []*domain.Message) {
	ids, seqs := make([][16]byte, len(messages)), make([]int64, len(messages))
	for i, m := range messages {
		ids[i], seqs[i] = m.ConversationID, m.Seq
	}
	var reactions, pins *pgx.QueuedQuery
	if upto == math.MaxInt64 {
		reactions = queries.Queue(reactionsSQL, ids, seqs, string(user))
		pins = queries.Queue(pinnedSQL, ids, seqs)
	} else {
		reactions = queries.Queue(pastReactionsSQL, ids, seqs, string(user), upto)
		pins = queries.Queue(pastPinnedSQL, ids, seqs, upto)
	}
	reactions.Query(func(rows pgx.Rows) error {
		var n int
		var r domain.Reaction
		_, err := pgx.ForEachRow(rows, []any{&n, &r.Emoji, &r.Count, &r.Mine}, func() error {
			messages[n-1].Reactions = append(messages[n-1].Reactions, r)
			return nil
		})
		return err
	})
	pins.Query(func(rows pgx.Rows) error {
		var n int
		_, err := pgx.ForEachRow(rows, []any{&n}, func() error {
			messages[n-1].Pinned = true
			return nil
		})
		return err
	})
}

// lastEditsSQL returns the last edit of each message that has one. Beyond $3 bytes in all
// it returns edits without a body; the first one always has its body.
const lastEditsSQL = `
SELECT n, at, CASE WHEN total <= $3 OR total = size THEN body END
FROM (
	SELECT *, sum(size) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS total
	FROM (
		SELECT t.n::int, d.at, d.body::text AS body, octet_length(d.body::text) AS size
		FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS t (id, seq, n)
		CROSS JOIN LATERAL (
			SELECT at, body FROM events
			WHERE conversation_id = t.id AND target_seq = t.seq AND type = 'message.edited'
			ORDER BY seq DESC LIMIT 1
		) d
	) edits
) sized
ORDER BY n`

// completeLast brings the last messages of views, all of one user, to their present state:
// edits, reactions, pins. It takes one round trip. It sets complete to false for views
// whose edit exceeds the size of a page.
func completeLast(ctx context.Context, tx pgx.Tx, views []*view, complete []bool) error {
	var of []int
	var ids [][16]byte
	var seqs []int64
	var messages []*domain.Message
	for i, v := range views {
		if v.LastMessage != nil {
			of, ids, seqs = append(of, i), append(ids, v.ConversationID), append(seqs, v.LastMessage.Seq)
			messages = append(messages, v.LastMessage)
		}
	}
	if len(messages) == 0 {
		return nil
	}
	var queries pgx.Batch
	queries.Queue(lastEditsSQL, ids, seqs, domain.PageBytes).Query(func(rows pgx.Rows) error {
		var n int
		var at time.Time
		var body *string
		_, err := pgx.ForEachRow(rows, []any{&n, &at, &body}, func() error {
			if body == nil {
				complete[of[n-1]] = false
				return nil
			}
			return messages[n-1].Edited(domain.TimeOf(at), json.RawMessage(*body))
		})
		return err
	})
	queueDecorations(&queries, views[0].user, math.MaxInt64, messages)
	return tx.SendBatch(ctx, &queries).Close()
}

const ownReactionsSQL = `
SELECT user_id, emoji FROM reactions WHERE conversation_id = $1 AND target_seq = $2 AND user_id = ANY ($3)`

// shareLast copies the last message of the first view to the other views of the same
// conversation whose floor permits it, each with the user's own reactions marked.
func shareLast(ctx context.Context, tx pgx.Tx, views []*view) error {
	last := views[0].LastMessage
	own := map[domain.Reactor]bool{}
	if last != nil && len(last.Reactions) > 0 && len(views) > 1 {
		users := make([]string, len(views))
		for i, v := range views {
			users[i] = string(v.user)
		}
		rows, err := tx.Query(ctx, ownReactionsSQL, last.ConversationID, last.Seq, users)
		if err != nil {
			return err
		}
		var user, emoji string
		if _, err := pgx.ForEachRow(rows, []any{&user, &emoji}, func() error {
			own[domain.Reactor{User: domain.UserID(user), Emoji: emoji}] = true
			return nil
		}); err != nil {
			return err
		}
	}
	for _, v := range views[1:] {
		if last != nil && last.Seq >= v.FloorSeq {
			mine := *last
			mine.Reactions = slices.Clone(last.Reactions)
			for i, r := range mine.Reactions {
				mine.Reactions[i].Mine = own[domain.Reactor{User: v.user, Emoji: r.Emoji}]
			}
			v.LastMessage = &mine
		}
		v.limit()
	}
	return nil
}
