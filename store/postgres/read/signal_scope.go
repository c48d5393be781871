package read

import (
	"context"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const signalScopeSQL = `
SELECT c.member_count, (c.settings->>'receipts')::boolean
FROM members m JOIN conversations c ON c.id = m.conversation_id
WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.left_seq IS NULL`

// SignalScope returns the properties of a conversation that decide who gets a member's
// typing signals and receipts. If the user is not a member, the error is ErrNotFound.
func (qs *Queries) SignalScope(ctx context.Context, user domain.UserID, id domain.ConversationID) (scope domain.SignalScope, err error) {
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		err := qs.db.Pool.QueryRow(ctx, signalScopeSQL, string(user), id).Scan(&scope.Members, &scope.Receipts)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return scope, err
}

const signalScopesSQL = `SELECT id, member_count, (settings->>'receipts')::boolean FROM conversations WHERE id = ANY ($1::uuid[])`

// SignalScopes is SignalScope for several conversations, without a check of the reader.
func (qs *Queries) SignalScopes(ctx context.Context, ids []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error) {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	scopes := make(map[domain.ConversationID]domain.SignalScope, len(ids))
	err := qs.db.Read(ctx, func(ctx context.Context) error {
		rows, err := qs.db.Pool.Query(ctx, signalScopesSQL, keys)
		if err != nil {
			return err
		}
		var id [16]byte
		var scope domain.SignalScope
		_, err = pgx.ForEachRow(rows, []any{&id, &scope.Members, &scope.Receipts}, func() error {
			scopes[id] = scope
			return nil
		})
		return err
	})
	return scopes, err
}
