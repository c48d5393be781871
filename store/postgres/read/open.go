package read

import (
	"context"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const openSQL = `
SELECT title, avatar_url, member_count FROM conversations
WHERE id = $1 AND kind = 'group' AND settings ->> 'joining' = 'open'`

// OpenGroup returns the public properties of a group that users may join by themselves.
// If the conversation is not such a group, the error is ErrNotFound.
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
