package postgres

import (
	"context"
	"strings"
	"time"

	"im/domain"
)

const blockSQL = `SELECT im_set_block_1($1, $2, $3, $4)`

// SetBlock sets or lifts a block. When it returns, it holds on every node: the
// direct conversation has another version, so what other nodes have cached of it
// is read anew before it decides anything.
func (s *Store) SetBlock(ctx context.Context, by, user domain.UserID, on bool) error {
	return s.read(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, blockSQL, string(by), string(user), domain.DirectKey(by, user), on)
		return err
	})
}

const blocksSQL = `
SELECT coalesce(array_agg(blocked ORDER BY blocked), '{}'), coalesce(array_agg(since ORDER BY blocked), '{}') FROM (
	SELECT blocked, since FROM blocks WHERE blocker = $1 AND blocked > $2 ORDER BY blocked LIMIT $3
) page`

// Blocks lists whom a user has blocked, in the order of their ids.
func (s *Store) Blocks(ctx context.Context, by domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error) {
	page := domain.Page[domain.Block]{Items: []domain.Block{}}
	var after string
	if cursor != "" {
		r := readCursor(cursorOfBlocks, cursor)
		after = r.text()
		if err := r.err(); err != nil {
			return page, err
		}
	}
	var users []string
	var since []time.Time
	err := s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, blocksSQL, string(by), after, limit+1).Scan(&users, &since)
	})
	if err != nil {
		return page, err
	}
	for i, user := range users[:min(limit, len(users))] {
		page.Items = append(page.Items, domain.Block{UserID: domain.UserID(user), Since: domain.TimeOf(since[i])})
	}
	if len(users) > limit {
		w := newCursor(cursorOfBlocks)
		w.text(users[limit-1])
		next := w.String()
		page.NextCursor = &next
	}
	return page, nil
}

// blockedOf reads the column of a direct conversation.
func blockedOf(directKey string, bits int16) (users []domain.UserID) {
	a, b, _ := strings.Cut(directKey, "\n")
	if bits&1 != 0 {
		users = append(users, domain.UserID(a))
	}
	if bits&2 != 0 {
		users = append(users, domain.UserID(b))
	}
	return users
}
