package push

import (
	"context"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// What other transactions hold is left for the next sweep. All nodes sweep.
const (
	sweepSQL = `
WITH gone AS (
	DELETE FROM push_notifications WHERE (user_id, conversation_id, device_id) IN (
		SELECT user_id, conversation_id, device_id FROM push_notifications
		WHERE provider = $1 AND due_at < (SELECT clock_timestamp() - interval '1 hour')
		ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
	) RETURNING true
)
SELECT count(*) FROM gone`

	// The users of revocations are gone through by their key: there may be many more of them
	// than of registrations that are over.
	sweepRevokedSQL = `
WITH users AS MATERIALIZED (
	SELECT user_id FROM revocations WHERE user_id > $1 ORDER BY user_id LIMIT $2
), ended AS (
	DELETE FROM push_registrations WHERE (user_id, device_id) IN (
		SELECT r.user_id, r.device_id FROM users u JOIN push_registrations r ON r.user_id = u.user_id
		WHERE ` + revoked + ` FOR UPDATE OF r SKIP LOCKED
	)
)
SELECT coalesce((SELECT user_id FROM users ORDER BY user_id DESC LIMIT 1), ''), (SELECT count(*) FROM users)`

	// sweptAtOnce is how many rows one statement deletes, or users it looks at.
	sweptAtOnce = 2000
)

// SweepPushes deletes notifications that no node claims: those of providers that are not set
// up any more. And it deletes registrations that a revocation has ended.
func (p *Pushes) SweepPushes(ctx context.Context) error {
	for _, provider := range domain.PushProviders() {
		for deleted := int64(sweptAtOnce); deleted == sweptAtOnce; {
			var err error
			if deleted, err = sweep(ctx, p, pgx.RowTo[int64], sweepSQL, string(provider), sweptAtOnce); err != nil {
				return err
			}
		}
	}
	type page struct {
		last  string
		users int64
	}
	for at := (page{users: sweptAtOnce}); at.users == sweptAtOnce; {
		var err error
		if at, err = sweep(ctx, p, func(row pgx.CollectableRow) (next page, err error) {
			return next, row.Scan(&next.last, &next.users)
		}, sweepRevokedSQL, at.last, sweptAtOnce); err != nil {
			return err
		}
	}
	return nil
}

// sweep runs a statement that returns one row.
func sweep[V any](ctx context.Context, p *Pushes, scan pgx.RowToFunc[V], sql string, args ...any) (v V, err error) {
	list, err := pg.ReadAll(ctx, p.db, scan, sql, args...)
	if err == nil {
		v = list[0]
	}
	return v, err
}
