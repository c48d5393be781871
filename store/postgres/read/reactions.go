package read

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const reactedListSQL = `
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

// Reactions lists who reacted to a message, by emoji and user. ErrNotFound if seq
// is no message, or lies below the actor's floor.
func (qs *Queries) Reactions(
	ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, cursor string, limit int,
) (domain.Page[domain.UserReaction], error) {
	page := domain.Page[domain.UserReaction]{Items: []domain.UserReaction{}}
	var afterEmoji, afterUser string
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorReactions, cursor)
		afterEmoji, afterUser = r.Text(), r.Text()
		if err := r.Err(); err != nil {
			return page, err
		}
	}
	var allowed bool
	var emojis, users []string
	var ats []time.Time
	err := qs.db.Read(ctx, func(ctx context.Context) error {
		return qs.db.Pool.QueryRow(ctx, reactedListSQL, id, a.Backend, string(a.User), seq, afterEmoji, afterUser, limit+1).
			Scan(&allowed, &emojis, &users, &ats)
	})
	if err != nil {
		return page, err
	}
	if !allowed {
		return page, domain.ErrNotFound
	}
	for i := range min(limit, len(users)) {
		page.Items = append(page.Items, domain.UserReaction{UserID: domain.UserID(users[i]), Emoji: emojis[i], At: domain.TimeOf(ats[i])})
	}
	if len(users) > limit {
		w := pg.NewCursor(pg.CursorReactions)
		w.Text(emojis[limit-1])
		w.Text(users[limit-1])
		next := w.String()
		page.NextCursor = &next
	}
	return page, nil
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

// Pins lists the pinned messages as they stand, the one that was pinned last
// first. It ends at limit messages or domain.PageBytes.
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

// pinned shows up to limit of pins, in their order, as far as a page goes.
func (q messageQuery) pinned(ctx context.Context, pins []pinned, limit int) (domain.Page[domain.PinnedMessage], error) {
	page := domain.Page[domain.PinnedMessage]{Items: []domain.PinnedMessage{}}
	seqs := []int64{}
	for _, p := range pins[:min(limit, len(pins))] {
		seqs = append(seqs, p.target)
	}
	// The size of a page is counted by seq; the first is read by itself, so that it
	// is there in any case.
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
			next := w.String()
			page.NextCursor = &next
			break
		}
		page.Items = append(page.Items, domain.PinnedMessage{Message: m, PinnedBy: domain.UserID(p.user), PinnedAt: domain.TimeOf(p.at)})
	}
	return page, nil
}
