package postgres

import (
	"context"

	"im/domain"
)

const roomSQL = `
SELECT c.member_count, (c.settings->>'receipts')::boolean
FROM members m JOIN conversations c ON c.id = m.conversation_id
WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.left_seq IS NULL`

// SignalScope returns what a member's frames of the living depend on, and ErrNotFound to
// anybody else.
func (s *Store) SignalScope(ctx context.Context, user domain.UserID, id domain.ConversationID) (room domain.SignalScope, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, roomSQL, string(user), id).Scan(&room.Members, &room.Receipts)
		if noRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return room, err
}
