package read

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	moderatesSQL = `
SELECT $2 OR m.role IN ('owner', 'admin')
FROM conversations c LEFT JOIN members m ON m.user_id = $3 AND m.conversation_id = c.id AND m.left_seq IS NULL
WHERE c.id = $1 AND ($2 OR m.user_id IS NOT NULL)`

	sanctionListSQL = `
SELECT user_id, until, reason, by_user, at FROM sanctions
WHERE conversation_id = $1 AND kind = $2 AND user_id > $3 AND (until IS NULL OR until > clock_timestamp())
ORDER BY user_id LIMIT $4`
)

// Sanctions lists the bans or the mutes of a conversation that are in force, in the order
// of the users. The owner, admins and backends may read it; for other members the error
// is ErrForbidden.
func (qs *Queries) Sanctions(
	ctx context.Context, a domain.Actor, id domain.ConversationID, kind domain.SanctionKind, cursor string, limit int,
) (page domain.Page[domain.ListedSanction], err error) {
	of := byte(pg.CursorBans)
	if kind == domain.Mute {
		of = pg.CursorMutes
	}
	after, err := pg.ReadTextKeys(of, cursor, 1)
	if err != nil {
		return page, err
	}
	var list []domain.ListedSanction
	err = qs.db.ReadTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var moderates bool
		err := tx.QueryRow(ctx, moderatesSQL, id, a.Backend, string(a.User)).Scan(&moderates)
		switch {
		case pg.NoRows(err):
			return domain.ErrNotFound
		case err != nil:
			return err
		case !moderates:
			return domain.ErrForbidden.WithMessage("only the owner and admins may see who is banned or muted")
		}
		rows, err := tx.Query(ctx, sanctionListSQL, id, string(kind), after[0], limit+1)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanSanction)
		return err
	})
	if err != nil {
		return page, err
	}
	return pg.KeysetPage(list, limit, of, func(w *pg.CursorWriter, last domain.ListedSanction) { w.Text(string(last.UserID)) }), nil
}

func scanSanction(row pgx.CollectableRow) (s domain.ListedSanction, err error) {
	var until *time.Time
	var at time.Time
	err = row.Scan(&s.UserID, &until, &s.Reason, &s.By, &at)
	s.At = domain.TimeOf(at)
	if until != nil {
		s.Until = new(domain.TimeOf(*until))
	}
	return s, err
}
