package read

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const reactionListSQL = `
SELECT EXISTS (SELECT FROM events WHERE conversation_id = $1 AND seq = $4 AND type = 'message.posted')
		AND ($2 OR EXISTS (
			SELECT FROM members m JOIN conversations c ON c.id = m.conversation_id
			WHERE m.user_id = $3 AND m.conversation_id = $1 AND m.left_seq IS NULL AND $4 >= im_floor_1(c.settings, m.joined_seq)
		)),
	r.emojis, r.users, r.ats
FROM (
	SELECT array_agg(emoji) AS emojis, array_agg(user_id) AS users, array_agg(at) AS ats
	FROM (
		SELECT emoji, user_id, at FROM reactions
		WHERE conversation_id = $1 AND target_seq = $4 AND (emoji, user_id) > ($5, $6)
		ORDER BY emoji, user_id LIMIT $7
	) page
) r`

// Reactions lists the reactions to a message, ordered by emoji and user. If seq is not a
// message, or is below the actor's floor, the error is ErrNotFound.
func (qs *Queries) Reactions(
	ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, cursor string, limit int,
) (page domain.Page[domain.UserReaction], err error) {
	after, err := pg.ReadTextKeys(pg.CursorReactions, cursor, 2) // emoji, user
	if err != nil {
		return page, err
	}
	var allowed bool
	var emojis, users []string
	var ats []time.Time
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		return qs.db.Pool.QueryRow(ctx, reactionListSQL, id, a.Backend, string(a.User), seq, after[0], after[1], limit+1).
			Scan(&allowed, &emojis, &users, &ats)
	})
	if err != nil {
		return page, err
	}
	if !allowed {
		return page, domain.ErrNotFound
	}
	reactions := make([]domain.UserReaction, len(users))
	for i, user := range users {
		reactions[i] = domain.UserReaction{UserID: domain.UserID(user), Emoji: emojis[i], At: domain.TimeOf(ats[i])}
	}
	return pg.KeysetPage(reactions, limit, pg.CursorReactions, func(w *pg.CursorWriter, last domain.UserReaction) {
		w.Text(last.Emoji)
		w.Text(string(last.UserID))
	}), nil
}

const pinListSQL = `
SELECT target_seq, seq, at, user_id FROM pins
WHERE conversation_id = $1 AND seq < $2
	AND ($4 OR target_seq >= (
		SELECT im_floor_1(c.settings, m.joined_seq) FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.user_id = $5 AND m.conversation_id = $1 AND m.left_seq IS NULL
	))
ORDER BY seq DESC LIMIT $3`

// pinned is a row of pins.
type pinned struct {
	target, seq int64
	at          time.Time
	user        string
}

// Pins lists the pinned messages in their present state, the last pinned first. The page
// ends at limit messages or domain.PageBytes.
func (qs *Queries) Pins(
	ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int,
) (page domain.Page[domain.PinnedMessage], err error) {
	before := int64(math.MaxInt64)
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorPins, cursor)
		before = int64(r.Number() & math.MaxInt64)
		if err := r.Err(); err != nil {
			return page, err
		}
	}
	err = qs.db.ReadTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, pinListSQL, id, before, limit+1, a.Backend, string(a.User))
		if err != nil {
			return err
		}
		pins, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p pinned, err error) {
			return p, row.Scan(&p.target, &p.seq, &p.at, &p.user)
		})
		if err != nil {
			return err
		}
		page, err = messageQuery{tx: tx, actor: a, id: id, upto: math.MaxInt64}.pinned(ctx, pins, limit)
		return err
	})
	return page, err
}

// pinned returns a page of the first pins, in their order: at most limit.
func (q messageQuery) pinned(ctx context.Context, pins []pinned, limit int) (domain.Page[domain.PinnedMessage], error) {
	page := domain.Page[domain.PinnedMessage]{Items: []domain.PinnedMessage{}}
	seqs := []int64{}
	for _, p := range pins[:min(limit, len(pins))] {
		seqs = append(seqs, p.target)
	}
	// The page must hold the first pin, but messages are read by ascending seq until the
	// page is full. So the first one is read separately.
	first, err := q.read(ctx, messagesBySeqSQL, seqs[:min(1, len(seqs))], domain.PageBytes, 1)
	if err != nil {
		return page, err
	}
	rest, err := q.read(ctx, messagesBySeqSQL, seqs, domain.PageBytes, limit)
	if err != nil {
		return page, err
	}
	found := map[int64]domain.Message{}
	for _, m := range append(first.messages, rest.messages...) {
		found[m.Seq] = m
	}
	for i, p := range pins {
		m, there := found[p.target]
		if !there {
			w := pg.NewCursor(pg.CursorPins)
			w.Number(uint64(pins[i-1].seq))
			page.NextCursor = new(w.String())
			break
		}
		page.Items = append(page.Items, domain.PinnedMessage{Message: m, PinnedBy: domain.UserID(p.user), PinnedAt: domain.TimeOf(p.at)})
	}
	return page, nil
}
