package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
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
func (s *Store) RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error) {
	return s.revoked.ask(ctx, user)
}

func (s *Store) revokedOne(ctx context.Context, user domain.UserID) (before time.Time, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, revokedSQL, string(user)).Scan(&before)
		if noRows(err) {
			return nil
		}
		return err
	})
	return before, err
}

func (s *Store) revokedAll(ctx context.Context, users []domain.UserID) ([]time.Time, error) {
	return readAll(ctx, s, func(row pgx.CollectableRow) (before time.Time, err error) {
		var stored *time.Time
		if err = row.Scan(&stored); stored != nil {
			before = *stored
		}
		return before, err
	}, revokedAllSQL, texts(users))
}

const (
	sessionNumberSQL  = `SELECT nextval('session_numbers')`
	sessionNumbersSQL = `SELECT nextval('session_numbers') FROM generate_series(1, $1::int)`
)

// SessionNumber returns a number that is higher than all that were returned in this
// epoch before it was asked for.
func (s *Store) SessionNumber(ctx context.Context) (int64, error) {
	return s.numbers.ask(ctx, struct{}{})
}

func (s *Store) sessionNumber(ctx context.Context, _ struct{}) (n int64, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, sessionNumberSQL).Scan(&n)
	})
	return n, err
}

func (s *Store) sessionNumbers(ctx context.Context, wanted []struct{}) ([]int64, error) {
	return readAll(ctx, s, pgx.RowTo[int64], sessionNumbersSQL, len(wanted))
}

const (
	membershipsSQL = `
SELECT e.epoch, coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = $1 AND m.left_seq IS NULL
) m`

	membershipsAllSQL = `
SELECT e.epoch, coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN unnest((SELECT $1::text[])) WITH ORDINALITY AS u (id, n) CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = u.id AND m.left_seq IS NULL
) m
ORDER BY u.n`
)

// memberships are all of a user's as of one moment, and the epoch.
type memberships struct {
	epoch string
	list  []domain.Membership
}

// Memberships returns what a node must know of a user's conversations to push
// to the user, all as of one moment, and the epoch.
func (s *Store) Memberships(ctx context.Context, user domain.UserID) (epoch string, list []domain.Membership, err error) {
	m, err := s.lists.ask(ctx, user)
	return m.epoch, m.list, err
}

func (s *Store) membershipsOne(ctx context.Context, user domain.UserID) (m memberships, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		m, err = scanMemberships(s.pool.QueryRow(ctx, membershipsSQL, string(user)))
		return err
	})
	return m, err
}

func (s *Store) membershipsAll(ctx context.Context, users []domain.UserID) ([]memberships, error) {
	return readAll(ctx, s, func(row pgx.CollectableRow) (memberships, error) {
		return scanMemberships(row)
	}, membershipsAllSQL, texts(users))
}

func scanMemberships(row pgx.Row) (m memberships, err error) {
	var ids [][16]byte
	var heads, joined []int64
	var sinceJoin []bool
	if err := row.Scan(&m.epoch, &ids, &heads, &joined, &sinceJoin); err != nil {
		return memberships{}, err
	}
	m.list = make([]domain.Membership, len(ids))
	for i, id := range ids {
		m.list[i] = domain.Membership{ConversationID: id, HeadSeq: heads[i], JoinedSeq: joined[i], SinceJoin: sinceJoin[i]}
	}
	return m, nil
}

// readAll reads the rows of one statement.
func readAll[V any](ctx context.Context, s *Store, scan pgx.RowToFunc[V], sql string, args ...any) (list []V, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scan)
		return err
	})
	return list, err
}

func texts(users []domain.UserID) []string {
	list := make([]string, len(users))
	for i, user := range users {
		list[i] = string(user)
	}
	return list
}
