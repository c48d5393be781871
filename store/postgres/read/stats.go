package read

import "context"

const messageCountSQL = `SELECT coalesce(sum(message_count), 0)::bigint FROM conversations`

// MessageCount returns the number of messages ever posted, recalled ones included. It reads
// one row of each conversation.
func (qs *Queries) MessageCount(ctx context.Context) (n int64, err error) {
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		return qs.db.Pool.QueryRow(ctx, messageCountSQL).Scan(&n)
	})
	return n, err
}
