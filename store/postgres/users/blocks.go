package users

import (
	"context"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const blockSQL = `SELECT im_set_block_1($1, $2, $3, $4)`

// SetBlock sets or lifts a block. When it returns, it holds on every node: the
// direct conversation has another version, so what other nodes have cached of it
// is read anew before it decides anything.
func (r *Records) SetBlock(ctx context.Context, by, user domain.UserID, on bool) error {
	return r.db.Read(ctx, func(ctx context.Context) error {
		_, err := r.db.Pool.Exec(ctx, blockSQL, string(by), string(user), domain.DirectKey(by, user), on)
		return err
	})
}

const blocksSQL = `
SELECT coalesce(array_agg(blocked ORDER BY blocked), '{}'), coalesce(array_agg(since ORDER BY blocked), '{}') FROM (
	SELECT blocked, since FROM blocks WHERE blocker = $1 AND blocked > $2 ORDER BY blocked LIMIT $3
) page`

// Blocks lists whom a user has blocked, in the order of their ids.
func (r *Records) Blocks(ctx context.Context, by domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error) {
	page := domain.Page[domain.Block]{Items: []domain.Block{}}
	var after string
	if cursor != "" {
		c := pg.ReadCursor(pg.CursorBlocks, cursor)
		after = c.Text()
		if err := c.Err(); err != nil {
			return page, err
		}
	}
	var users []string
	var since []time.Time
	err := r.db.Read(ctx, func(ctx context.Context) error {
		return r.db.Pool.QueryRow(ctx, blocksSQL, string(by), after, limit+1).Scan(&users, &since)
	})
	if err != nil {
		return page, err
	}
	for i, user := range users[:min(limit, len(users))] {
		page.Items = append(page.Items, domain.Block{UserID: domain.UserID(user), Since: domain.TimeOf(since[i])})
	}
	if len(users) > limit {
		w := pg.NewCursor(pg.CursorBlocks)
		w.Text(users[limit-1])
		next := w.String()
		page.NextCursor = &next
	}
	return page, nil
}
