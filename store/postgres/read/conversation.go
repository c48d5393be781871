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
	viewsSQL = `SELECT * FROM im_views_1($1, $2, $3)`

	listSQL = `
SELECT v.* FROM im_views_1(
	array_fill($1::text, ARRAY[$4::int]),
	ARRAY(
		SELECT c.id FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.user_id = $1 AND m.left_seq IS NULL AND (c.last_at, c.id) < ($2::timestamptz, $3::uuid)
		ORDER BY c.last_at DESC, c.id DESC LIMIT $4
	), $5) v`
)

// Conversation returns a conversation as the actor sees it; AckedSeq is that of
// device, if one is named. ErrNotFound for who is not in it, except a backend.
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

// Views returns a conversation as each of those of users sees it who are in it,
// with no events and no device's AckedSeq.
func (qs *Queries) Views(
	ctx context.Context, id domain.ConversationID, users []domain.UserID,
) (map[domain.UserID]domain.ConversationView, error) {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = string(user)
	}
	views, err := qs.views(ctx, id, names, "", false)
	if err != nil {
		return nil, err
	}
	byUser := make(map[domain.UserID]domain.ConversationView, len(views))
	for _, v := range views {
		byUser[v.user] = v.ConversationView
	}
	return byUser, nil
}

// views reads one conversation as several users see it, backends with no floor.
// Others who are not in it are left out, and nothing more is read for them.
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
		// Whoever may read the most has a last message to share with the others.
		slices.SortStableFunc(views, func(a, b *view) int { return cmp.Compare(a.FloorSeq, b.FloorSeq) })
		if _, err := fillTimelines(ctx, tx, views[:1], 0); err != nil {
			return err
		}
		return shareLast(ctx, tx, views)
	})
	return views, err
}

// Conversations lists those of the actor, newest activity first. What moves to
// the front between pages is not seen again; Sync is for who wants all. AckedSeq
// is that of device, if one is named.
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
			next := w.String()
			page.NextCursor = &next
		}
		return nil
	})
	return page, err
}

const membersSQL = `
SELECT EXISTS (SELECT FROM conversations WHERE id = $1)
		AND ($2 OR EXISTS (SELECT FROM members WHERE user_id = $3 AND conversation_id = $1 AND left_seq IS NULL)),
	m.users, m.roles, m.joined
FROM (
	SELECT array_agg(user_id) AS users, array_agg(role) AS roles, array_agg(joined_seq) AS joined
	FROM (
		SELECT user_id, role, joined_seq FROM members
		WHERE conversation_id = $1 AND left_seq IS NULL AND user_id > $4 ORDER BY user_id LIMIT $5
	) page
) m`

// Members lists the members in the order of their ids.
func (qs *Queries) Members(
	ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int,
) (domain.Page[domain.Member], error) {
	page := domain.Page[domain.Member]{Items: []domain.Member{}}
	var after string
	if cursor != "" {
		r := pg.ReadCursor(pg.CursorMembers, cursor)
		after = r.Text()
		if err := r.Err(); err != nil {
			return page, err
		}
	}
	var allowed bool
	var users, roles []string
	var joined []int64
	err := qs.db.Read(ctx, func(ctx context.Context) error {
		return qs.db.Pool.QueryRow(ctx, membersSQL, id, a.Backend, string(a.User), after, limit+1).
			Scan(&allowed, &users, &roles, &joined)
	})
	if err != nil {
		return page, err
	}
	if !allowed {
		return page, domain.ErrNotFound
	}
	for i := range min(limit, len(users)) {
		page.Items = append(page.Items, domain.Member{
			UserID: domain.UserID(users[i]), Role: domain.Role(roles[i]), JoinedSeq: joined[i],
		})
	}
	if len(users) > limit {
		w := pg.NewCursor(pg.CursorMembers)
		w.Text(users[limit-1])
		next := w.String()
		page.NextCursor = &next
	}
	return page, nil
}
