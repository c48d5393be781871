package feed

import (
	"context"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// Epoch returns the present epoch, read from the database.
func (c *Changes) Epoch(ctx context.Context) (string, error) { return c.db.ReadEpoch(ctx) }

// Ping reports whether the database answers and has a schema.
func (c *Changes) Ping(ctx context.Context) error {
	_, err := c.db.ReadEpoch(ctx)
	return err
}

// NewEpoch begins a new epoch unconditionally. An operator does that after restoring a
// backup.
func (c *Changes) NewEpoch(ctx context.Context) (string, error) {
	seen, err := c.Epoch(ctx)
	if err != nil {
		return "", err
	}
	if err := pg.Translate(c.db.BeginEpoch(ctx, c.db.Pool, seen)); err != nil {
		return "", err
	}
	return c.db.KnownEpoch(), nil
}

const headSQL = `SELECT e.epoch, coalesce((SELECT head_seq FROM conversations WHERE id = $1), 0) FROM epoch e`

// HeadLost compares the stored head of a conversation with a seq that is known to have
// been committed. If the head is lower, the log has come back in an earlier state, and
// HeadLost begins a new epoch.
func (c *Changes) HeadLost(ctx context.Context, id domain.ConversationID, seq int64) error {
	var epoch string
	var head int64
	err := c.db.Read(ctx, func(ctx context.Context) error {
		return c.db.Pool.QueryRow(ctx, headSQL, id).Scan(&epoch, &head)
	})
	if err != nil || head >= seq {
		return err
	}
	return pg.Translate(c.db.BeginEpoch(ctx, c.db.Pool, epoch))
}
