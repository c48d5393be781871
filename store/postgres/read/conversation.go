package read

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	viewsSQL = `SELECT * FROM im_views_2($1, $2, $3)`

	// activeAt is the time of the newest message of the conversation c, or of the latest
	// joining of its member m if that is later. Only a joining after the last message is
	// looked up in the log, unless it is the creation. It is never null, because a null
	// would leave the conversation out of lists.
	activeAt = `coalesce(CASE
			WHEN m.joined_seq <= c.last_message_seq THEN c.last_message_at
			WHEN m.joined_seq = 1 THEN c.created_at
			ELSE (SELECT e.at FROM events e WHERE e.conversation_id = c.id AND e.seq = m.joined_seq)
		END, c.last_at)`

	listSQL = `
SELECT v.* FROM im_views_2(
	array_fill($1::text, ARRAY[$4::int]),
	ARRAY(
		SELECT id FROM (
			SELECT c.id, ` + activeAt + ` AS active_at
			FROM members m JOIN conversations c ON c.id = m.conversation_id
			WHERE m.user_id = $1 AND m.left_seq IS NULL
		) mine
		WHERE (active_at, id) < ($2::timestamptz, $3::uuid)
		ORDER BY active_at DESC, id DESC LIMIT $4
	), $5) v`
)

// Conversation returns a conversation as the actor sees it. AckedSeq is the one of device,
// if that is not empty. If the actor is neither a member nor a backend, the error is
// ErrNotFound.
func (qs *Queries) Conversation(
	ctx context.Context, a domain.Actor, id domain.ConversationID, device domain.DeviceID,
) (domain.ConversationView, error) {
	views, err := qs.views(ctx, id, []string{string(a.User)}, device, a.Backend)
	if err != nil {
		return domain.ConversationView{}, err
	}
	if len(views) == 0 {
		return domain.ConversationView{}, domain.ErrNotFound
	}
	return views[0].ConversationView, nil
}

// Views returns a conversation as its members among users see it, without events and
// without AckedSeq.
func (qs *Queries) Views(
	ctx context.Context, id domain.ConversationID, users []domain.UserID,
) (map[domain.UserID]domain.ConversationView, error) {
	views, err := qs.views(ctx, id, pg.Texts(users), "", false)
	if err != nil {
		return nil, err
	}
	byUser := make(map[domain.UserID]domain.ConversationView, len(views))
	for _, v := range views {
		byUser[v.user] = v.ConversationView
	}
	return byUser, nil
}

// views reads one conversation as several users see it. It leaves out users who are not
// members, unless a backend reads as the user; a backend has no floor.
func (qs *Queries) views(
	ctx context.Context, id domain.ConversationID, users []string, device domain.DeviceID, backend bool,
) (views []*view, err error) {
	ids := slices.Repeat([][16]byte{id}, len(users))
	err = qs.db.LookupTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, viewsSQL, users, ids, string(device))
		if err != nil {
			return err
		}
		if views, err = pgx.CollectRows(rows, scanView); err != nil {
			return err
		}
		views = slices.DeleteFunc(views, func(v *view) bool { return !v.member && !backend })
		if len(views) == 0 {
			return nil
		}
		if backend {
			views[0].FloorSeq = firstSeq
		}
		// The view with the lowest floor gets the last message; the others share it.
		slices.SortStableFunc(views, func(a, b *view) int { return cmp.Compare(a.FloorSeq, b.FloorSeq) })
		if _, err := fillTimelines(ctx, tx, views[:1], 0); err != nil {
			return err
		}
		return shareLast(ctx, tx, views)
	})
	return views, err
}

// Conversations lists the conversations of the actor, newest activity first. A conversation
// that moves to the front between two pages is not listed again; use Sync for a complete
// list. AckedSeq is the one of device, if that is not empty.
func (qs *Queries) Conversations(
	ctx context.Context, a domain.Actor, device domain.DeviceID, cursor string, limit int,
) (page domain.Page[domain.ConversationView], err error) {
	after := pg.LatestActivity()
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorList, cursor)
		after = r.Key()
		if err := r.Err(); err != nil {
			return page, err
		}
	}
	err = qs.db.ReadTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listSQL, string(a.User), after.At, after.ID, limit+1, string(device))
		if err != nil {
			return err
		}
		views, err := pgx.CollectRows(rows, scanView)
		if err != nil {
			return err
		}
		page = domain.Page[domain.ConversationView]{Items: []domain.ConversationView{}}
		if len(views) == 0 {
			return nil
		}
		shown := views[:min(limit, len(views))]
		for _, v := range shown {
			if a.Backend {
				v.FloorSeq = firstSeq
			}
		}
		n, err := fillTimelines(ctx, tx, shown, 0)
		if err != nil {
			return err
		}
		for _, v := range shown[:n] {
			page.Items = append(page.Items, v.ConversationView)
		}
		if n < len(views) {
			w := pg.NewCursor(pg.CursorList)
			w.Key(shown[n-1].key())
			page.NextCursor = new(w.String())
		}
		return nil
	})
	return page, err
}

const membersSQL = `
SELECT ` + pg.MayRead + `, m.users, m.roles, m.joined
FROM (
	SELECT array_agg(user_id) AS users, array_agg(role) AS roles, array_agg(joined_seq) AS joined
	FROM (
		SELECT user_id, role, joined_seq FROM members
		WHERE conversation_id = $1 AND left_seq IS NULL AND user_id > $4 ORDER BY user_id LIMIT $5
	) page
) m`

// Members lists the members, in the order of their ids.
func (qs *Queries) Members(
	ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int,
) (page domain.Page[domain.Member], err error) {
	after, err := pg.ReadTextKeys(pg.CursorMembers, cursor, 1)
	if err != nil {
		return page, err
	}
	var allowed bool
	var users, roles []string
	var joined []int64
	err = qs.db.Read(ctx, func(ctx context.Context) error {
		return qs.db.Pool.QueryRow(ctx, membersSQL, id, a.Backend, string(a.User), after[0], limit+1).
			Scan(&allowed, &users, &roles, &joined)
	})
	if err != nil {
		return page, err
	}
	if !allowed {
		return page, domain.ErrNotFound
	}
	members := make([]domain.Member, len(users))
	for i, user := range users {
		members[i] = domain.Member{UserID: domain.UserID(user), Role: domain.Role(roles[i]), JoinedSeq: joined[i]}
	}
	return pg.KeysetPage(members, limit, pg.CursorMembers, func(w *pg.CursorWriter, last domain.Member) {
		w.Text(string(last.UserID))
	}), nil
}
