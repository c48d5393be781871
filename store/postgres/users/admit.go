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

const (
	// The standing of each user u: the revocation, and the ban if it has not ended.
	standing = `r.before, b.user_id IS NOT NULL, b.until, b.until - clock_timestamp()`

	standingOf = `
LEFT JOIN revocations r ON r.user_id = u.id
LEFT JOIN user_bans b ON b.user_id = u.id AND (b.until IS NULL OR b.until > clock_timestamp())`

	standingSQL = `
SELECT ` + standing + `
FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)` + standingOf + `
ORDER BY u.n`
)

// StandingOf returns the revocation and the ban of the user. It sees all that was committed
// before the call.
func (r *Records) StandingOf(ctx context.Context, user domain.UserID) (domain.Standing, error) {
	return r.standings.Load(ctx, user)
}

func (r *Records) readStandings(ctx context.Context, users []domain.UserID) ([]domain.Standing, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (domain.Standing, error) {
		var s scannedStanding
		err := row.Scan(s.targets()...)
		return s.standing(), err
	}, standingSQL, pg.Texts(users))
}

// scannedStanding has the columns of standing.
type scannedStanding struct {
	before *time.Time
	banned bool
	until  *time.Time
	left   *time.Duration
}

func (s *scannedStanding) targets() []any { return []any{&s.before, &s.banned, &s.until, &s.left} }

func (s *scannedStanding) standing() (out domain.Standing) {
	if s.before != nil {
		out.RevokedBefore = *s.before
	}
	if s.banned {
		out.Ban = &domain.UserBan{}
		if s.until != nil && s.left != nil {
			out.Ban.Until, out.Ban.Left = new(domain.TimeOf(*s.until)), *s.left
		}
	}
	return out
}

const admitSQL = `
SELECT nextval('session_numbers'), ` + standing + `
FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)` + standingOf + `
ORDER BY u.n`

// Admit returns what a session of the user begins with. Its number is higher than all
// numbers that were returned in this epoch before the call. It sees every revocation and
// ban that was committed before the call.
func (r *Records) Admit(ctx context.Context, user domain.UserID) (domain.Admission, error) {
	return r.admissions.Load(ctx, user)
}

func (r *Records) readAdmissions(ctx context.Context, users []domain.UserID) ([]domain.Admission, error) {
	return pg.ReadAll(ctx, r.db, func(row pgx.CollectableRow) (a domain.Admission, err error) {
		var s scannedStanding
		err = row.Scan(append([]any{&a.Number}, s.targets()...)...)
		a.Standing = s.standing()
		return a, err
	}, admitSQL, pg.Texts(users))
}

const membershipsSQL = `
SELECT e.epoch, ` + standing + `,
	coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n)` + standingOf + `
CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = u.id AND m.left_seq IS NULL
) m
ORDER BY u.n`

// Memberships returns what a node needs of a user's conversations to push to the user,
// and the user's standing, all in one snapshot.
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
	var s scannedStanding
	if err := row.Scan(append(append([]any{&m.Epoch}, s.targets()...), &ids, &heads, &joined, &sinceJoin)...); err != nil {
		return domain.Memberships{}, err
	}
	m.Standing = s.standing()
	m.List = make([]domain.Membership, len(ids))
	for i, id := range ids {
		m.List[i] = domain.Membership{ConversationID: id, HeadSeq: heads[i], JoinedSeq: joined[i], SinceJoin: sinceJoin[i]}
	}
	return m, nil
}
