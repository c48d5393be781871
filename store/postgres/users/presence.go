package users

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

const acquaintedSQL = `
SELECT g.viewer = g.other OR EXISTS (
	SELECT FROM members v JOIN members o ON o.conversation_id = v.conversation_id
	WHERE v.user_id = g.viewer AND v.left_seq IS NULL AND o.user_id = g.other AND o.left_seq IS NULL
) AND NOT EXISTS (SELECT FROM blocks WHERE blocker = g.other AND blocked = g.viewer), s.seen_at
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS g (viewer, other, n)
LEFT JOIN user_seen s ON s.user_id = g.other
ORDER BY g.n`

// Visibility tells for each glance, in their order, whether the viewer may see
// the user's presence, and when the user was seen last.
func (r *Records) Visibility(ctx context.Context, glances []domain.PresenceQuery) (list []domain.Visibility, err error) {
	viewers, users := make([]string, len(glances)), make([]string, len(glances))
	for i, g := range glances {
		viewers[i], users[i] = string(g.Viewer), string(g.User)
	}
	err = r.db.Read(ctx, func(ctx context.Context) error {
		rows, err := r.db.Pool.Query(ctx, acquaintedSQL, viewers, users)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a domain.Visibility, err error) {
			var seen *time.Time
			err = row.Scan(&a.Visible, &seen)
			if seen != nil {
				a.LastSeen = domain.TimeOf(*seen)
			}
			return a, err
		})
		return err
	})
	return list, err
}

const sightSQL = `
INSERT INTO user_seen AS u (user_id, seen_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[])
ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at WHERE u.seen_at < excluded.seen_at`

// Sight notes when users were online; it never goes back. Each user may be in the
// list once.
func (r *Records) Sight(ctx context.Context, sightings []domain.LastSeen) error {
	sightings = slices.SortedFunc(slices.Values(sightings), func(a, b domain.LastSeen) int { return cmp.Compare(a.User, b.User) })
	for chunk := range slices.Chunk(sightings, ackChunk) {
		users, times := make([]string, len(chunk)), make([]time.Time, len(chunk))
		for i, one := range chunk {
			users[i], times[i] = string(one.User), one.At.Time
		}
		err := r.db.Read(ctx, func(ctx context.Context) error {
			_, err := r.db.Pool.Exec(ctx, sightSQL, users, times)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
