package postgres

import (
	"context"

	"im/domain"
)

const openSQL = `
SELECT title, avatar_url, member_count FROM conversations
WHERE id = $1 AND kind = 'group' AND settings ->> 'joining' = 'open'`

// OpenGroup returns what everybody may know of an open group, and ErrNotFound of
// anything else.
func (s *Store) OpenGroup(ctx context.Context, id domain.ConversationID) (group domain.OpenGroup, err error) {
	group.ConversationID = id
	err = s.read(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, openSQL, id).Scan(&group.Title, &group.AvatarURL, &group.MemberCount)
		if noRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return group, err
}
