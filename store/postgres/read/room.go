package read

import (
	"context"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const roomSQL = `
SELECT c.member_count, (c.settings->>'receipts')::boolean
FROM members m JOIN conversations c ON c.id = m.conversation_id
WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.left_seq IS NULL`

// SignalScope returns what a member's frames of the living depend on, and ErrNotFound to
// anybody else.
func (qs *Queries) SignalScope(ctx context.Context, user domain.UserID, id domain.ConversationID) (room domain.SignalScope, err error) {
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		err := qs.db.Pool.QueryRow(ctx, roomSQL, string(user), id).Scan(&room.Members, &room.Receipts)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return room, err
}

const roomsSQL = `SELECT id, member_count, (settings->>'receipts')::boolean FROM conversations WHERE id = ANY ($1::uuid[])`

// SignalScopes is SignalScope of several conversations, with no question asked of who may know.
func (qs *Queries) SignalScopes(ctx context.Context, ids []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error) {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	rooms := make(map[domain.ConversationID]domain.SignalScope, len(ids))
	err := qs.db.Read(ctx, func(ctx context.Context) error {
		rows, err := qs.db.Pool.Query(ctx, roomsSQL, keys)
		if err != nil {
			return err
		}
		var id [16]byte
		var room domain.SignalScope
		_, err = pgx.ForEachRow(rows, []any{&id, &room.Members, &room.Receipts}, func() error {
			rooms[id] = room
			return nil
		})
		return err
	})
	return rooms, err
}
