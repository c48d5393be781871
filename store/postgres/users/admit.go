package users

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// These are the reads of every session that begins, thousands at once when all
// clients come back. They go through loaders, so that concurrent sessions share
// queries.
//
// User ids are ASCII (domain.ParseUserID), so that no id can make the server refuse
// the query that other sessions share. The statements get the ids by a SELECT: if
// PostgreSQL knew their number, it would make a new plan for each number.
const (
	usersPerQuery = 128
	listsPerQuery = 16 // a list may have 10,000 conversations, and one timeout is for all
)

const revokedSQL = `
SELECT (SELECT before FROM revocations WHERE user_id = u.id)
FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)
ORDER BY u.n`

// RevokedBefore returns the time before which tokens of the user are revoked; zero
// means that none are. It sees every revocation that was committed before the call.
func (r *Records) RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error) {
	return r.revoked.Load(ctx, user)
}

func (r *Records) readRevoked(ctx context.Context, users []domain.UserID) ([]time.Time, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (time.Time, error) {
		var before *time.Time
		err := row.Scan(&before)
		return orZero(before), err
	}, revokedSQL, pg.Texts(users))
}

const admitSQL = `
SELECT nextval('session_numbers'), (SELECT before FROM revocations WHERE user_id = u.id)
FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)
ORDER BY u.n`

// Admit returns what a session of the user begins with. Its number is higher than all
// numbers that were returned in this epoch before the call. It sees every revocation
// that was committed before the call.
func (r *Records) Admit(ctx context.Context, user domain.UserID) (domain.Admission, error) {
	return r.admissions.Load(ctx, user)
}

func (r *Records) readAdmissions(ctx context.Context, users []domain.UserID) ([]domain.Admission, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (a domain.Admission, err error) {
		var revoked *time.Time
		err = row.Scan(&a.Number, &revoked)
		a.RevokedBefore = orZero(revoked)
		return a, err
	}, admitSQL, pg.Texts(users))
}

const membershipsSQL = `
SELECT e.epoch, (SELECT before FROM revocations WHERE user_id = u.id),
	coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n) CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = u.id AND m.left_seq IS NULL
) m
ORDER BY u.n`

// Memberships returns what a node needs of a user's conversations to push to the user,
// and since when tokens are revoked, all in one snapshot.
func (r *Records) Memberships(ctx context.Context, user domain.UserID) (domain.Memberships, error) {
	return r.lists.Load(ctx, user)
}

func (r *Records) readMemberships(ctx context.Context, users []domain.UserID) ([]domain.Memberships, error) {
	return pg.ReadAll(ctx, r.db, scanMemberships, membershipsSQL, pg.Texts(users))
}

func scanMemberships(row pgx.CollectableRow) (m domain.Memberships, err error) {
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
