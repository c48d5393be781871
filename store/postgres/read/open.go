package read

import (
	"context"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const openSQL = `
SELECT title, avatar_url, member_count FROM conversations
WHERE id = $1 AND kind = 'group' AND settings ->> 'joining' = 'open'`

// OpenGroup returns what everybody may know of an open group, and ErrNotFound of
// anything else.
func (qs *Queries) OpenGroup(ctx context.Context, id domain.ConversationID) (group domain.OpenGroup, err error) {
	group.ConversationID = id
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		err := qs.db.Pool.QueryRow(ctx, openSQL, id).Scan(&group.Title, &group.AvatarURL, &group.MemberCount)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return group, err
}
