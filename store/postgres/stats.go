package postgres

import "context"

const messageCountSQL = `SELECT coalesce(sum(message_count), 0)::bigint FROM conversations`

// MessageCount returns how many messages were ever posted, recalled ones
// included. It reads a row of every conversation.
func (s *Store) MessageCount(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, messageCountSQL).Scan(&n)
	})
	return n, err
}
