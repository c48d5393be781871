// Package unread counts what users have not read, for those who notify them.
package unread

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// usersAtOnce is how many users one statement counts for. A user may have 10,000
// conversations, and a statement has some seconds.
const usersAtOnce = 50

// unreadSQL counts as im_mark_read_1 does.
const unreadSQL = `
SELECT u.user_id, n.total FROM unnest($1::text[]) AS u (user_id) CROSS JOIN LATERAL (
	WITH mine AS MATERIALIZED (
		SELECT c.id, m.read_seq, c.message_count - m.read_message_no AS messages
		FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.user_id = u.user_id AND m.left_seq IS NULL
	)
	SELECT (SELECT coalesce(sum(messages), 0)::bigint FROM mine) - (
		SELECT count(*) FROM mine JOIN message_states s ON s.conversation_id = mine.id
		WHERE mine.messages > 0 AND s.seq > mine.read_seq AND s.recalled_seq IS NOT NULL
	) AS total
) n`

// Totals returns how many messages each user has not read, in all conversations.
func Totals(ctx context.Context, db *pg.DB, users []domain.UserID) (map[domain.UserID]int64, error) {
	totals := make(map[domain.UserID]int64, len(users))
	for chunk := range slices.Chunk(users, usersAtOnce) {
		type count struct {
			user  domain.UserID
			total int64
		}
		counted, err := pg.ReadAll(ctx, db, func(row pgx.CollectableRow) (c count, err error) {
			return c, row.Scan(&c.user, &c.total)
		}, unreadSQL, pg.Texts(chunk))
		if err != nil {
			return nil, err
		}
		for _, c := range counted {
			totals[c.user] = c.total
		}
	}
	return totals, nil
}
