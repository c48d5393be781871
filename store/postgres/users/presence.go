package users

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const visibilitySQL = `
SELECT q.viewer = q.other OR EXISTS (
	SELECT FROM members v JOIN members o ON o.conversation_id = v.conversation_id
	WHERE v.user_id = q.viewer AND v.left_seq IS NULL AND o.user_id = q.other AND o.left_seq IS NULL
) AND NOT EXISTS (SELECT FROM blocks WHERE blocker = q.other AND blocked = q.viewer), s.seen_at
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS q (viewer, other, n)
LEFT JOIN user_seen s ON s.user_id = q.other
ORDER BY q.n`

// Visibility returns one answer for each query, in their order: whether the viewer may
// see the user's presence, and when the user was last seen.
func (r *Records) Visibility(ctx context.Context, queries []domain.PresenceQuery) ([]domain.Visibility, error) {
	viewers, users := make([]string, len(queries)), make([]string, len(queries))
	for i, q := range queries {
		viewers[i], users[i] = string(q.Viewer), string(q.User)
	}
	return pg.ReadAll(ctx, r.db, scanVisibility, visibilitySQL, viewers, users)
}

func scanVisibility(row pgx.CollectableRow) (v domain.Visibility, err error) {
	var seen *time.Time
	err = row.Scan(&v.Visible, &seen)
	if seen != nil {
		v.LastSeen = domain.TimeOf(*seen)
	}
	return v, err
}

const lastSeenSQL = `
INSERT INTO user_seen AS u (user_id, seen_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[])
ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at WHERE u.seen_at < excluded.seen_at`

// Sight stores when users were last seen. A stored time never moves back. A user may be
// in the list only once.
func (r *Records) Sight(ctx context.Context, list []domain.LastSeen) error {
	list = slices.SortedFunc(slices.Values(list), func(a, b domain.LastSeen) int { return cmp.Compare(a.User, b.User) })
	for chunk := range slices.Chunk(list, ackChunk) {
		users, times := make([]string, len(chunk)), make([]time.Time, len(chunk))
		for i, seen := range chunk {
			users[i], times[i] = string(seen.User), seen.At.Time
		}
		err := r.db.Read(ctx, func(ctx context.Context) error {
			_, err := r.db.Pool.Exec(ctx, lastSeenSQL, users, times)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
