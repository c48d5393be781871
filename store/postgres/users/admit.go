package users

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// What every session asks that begins, and thousands at once when they all come
// back: they share queries then. User ids are ASCII (domain.ParseUserID), so that
// none can have the server refuse what others ask in the same query. The queries
// for several get their users by a SELECT: where PostgreSQL knew how many there
// are, it would make a plan for just these each time.
const (
	usersAtOnce = 128
	listsAtOnce = 16 // each may be of 10,000 conversations, and one timeout is for all
)

const (
	revokedSQL = `SELECT before FROM revocations WHERE user_id = $1`

	revokedAllSQL = `
SELECT (SELECT before FROM revocations WHERE user_id = u.id)
FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)
ORDER BY u.n`
)

// RevokedBefore returns since when tokens of the user are good; zero: always. What
// was revoked before it is asked, it sees.
func (r *Records) RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error) {
	return r.revoked.Load(ctx, user)
}

func (r *Records) revokedOne(ctx context.Context, user domain.UserID) (before time.Time, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) error {
		err := r.db.Pool.QueryRow(ctx, revokedSQL, string(user)).Scan(&before)
		if pg.NoRows(err) {
			return nil
		}
		return err
	})
	return before, err
}

func (r *Records) revokedAll(ctx context.Context, users []domain.UserID) ([]time.Time, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (time.Time, error) {
		var before *time.Time
		err := row.Scan(&before)
		return orZero(before), err
	}, revokedAllSQL, pg.Texts(users))
}

const (
	admitSQL = `SELECT nextval('session_numbers'), (SELECT before FROM revocations WHERE user_id = $1)`

	admitAllSQL = `
SELECT nextval('session_numbers'), (SELECT before FROM revocations WHERE user_id = u.id)
FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)
ORDER BY u.n`
)

// Admit returns what a session of the user begins with. The number is higher than
// all that were returned in this epoch before it was asked for; what was revoked
// before, it sees.
func (r *Records) Admit(ctx context.Context, user domain.UserID) (domain.Admission, error) {
	return r.admissions.Load(ctx, user)
}

func (r *Records) admitOne(ctx context.Context, user domain.UserID) (a domain.Admission, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) (err error) {
		a, err = scanAdmission(r.db.Pool.QueryRow(ctx, admitSQL, string(user)))
		return err
	})
	return a, err
}

func (r *Records) admitAll(ctx context.Context, users []domain.UserID) ([]domain.Admission, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (domain.Admission, error) {
		return scanAdmission(row)
	}, admitAllSQL, pg.Texts(users))
}

func scanAdmission(row pgx.Row) (a domain.Admission, err error) {
	var revoked *time.Time
	err = row.Scan(&a.Number, &revoked)
	a.RevokedBefore = orZero(revoked)
	return a, err
}

const (
	membershipsSQL = `
SELECT e.epoch, (SELECT before FROM revocations WHERE user_id = $1),
	coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = $1 AND m.left_seq IS NULL
) m`

	membershipsAllSQL = `
SELECT e.epoch, (SELECT before FROM revocations WHERE user_id = u.id),
	coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n) CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = u.id AND m.left_seq IS NULL
) m
ORDER BY u.n`
)

// Memberships returns what a node must know of a user's conversations to push to
// the user, and what is revoked, all as of one moment.
func (r *Records) Memberships(ctx context.Context, user domain.UserID) (domain.Memberships, error) {
	return r.lists.Load(ctx, user)
}

func (r *Records) membershipsOne(ctx context.Context, user domain.UserID) (m domain.Memberships, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) (err error) {
		m, err = scanMemberships(r.db.Pool.QueryRow(ctx, membershipsSQL, string(user)))
		return err
	})
	return m, err
}

func (r *Records) membershipsAll(ctx context.Context, users []domain.UserID) ([]domain.Memberships, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (domain.Memberships, error) {
		return scanMemberships(row)
	}, membershipsAllSQL, pg.Texts(users))
}

func scanMemberships(row pgx.Row) (m domain.Memberships, err error) {
	var ids [][16]byte
	var heads, joined []int64
	var sinceJoin []bool
	var revoked *time.Time
	if err := row.Scan(&m.Epoch, &revoked, &ids, &heads, &joined, &sinceJoin); err != nil {
		return domain.Memberships{}, err
	}
	m.RevokedBefore = orZero(revoked)
	m.List = make([]domain.Membership, len(ids))
	for i, id := range ids {
		m.List[i] = domain.Membership{ConversationID: id, HeadSeq: heads[i], JoinedSeq: joined[i], SinceJoin: sinceJoin[i]}
	}
	return m, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
