package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

const endSQL = `
INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership, end_user, end_session, end_below, end_code)
VALUES (gen_random_uuid(), clock_timestamp(), $1, '{}', '{}', '{}', '{}', $2, $3,
	CASE WHEN $3::text = '' THEN nextval('session_numbers') ELSE 0 END, $4)
RETURNING end_below`

// EndSession has the feed tell every node that a session of the user ends, and
// returns what to signal besides, to be faster.
func (s *Store) EndSession(ctx context.Context, user domain.UserID, session domain.SessionID) (domain.Signal, error) {
	end := domain.SessionEnd{Session: session, Code: domain.CloseEnded}
	err := s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, endSQL, s.options.Node, string(user), string(session), end.Code).Scan(&end.Below)
	})
	return domain.Signal{User: user, End: &end}, err
}

// EndSessions is EndSession for all that the user has by now.
func (s *Store) EndSessions(ctx context.Context, user domain.UserID) (domain.Signal, error) {
	return s.EndSession(ctx, user, "")
}

const revokeSQL = `
INSERT INTO revocations AS r (user_id, before) VALUES ($1, clock_timestamp())
ON CONFLICT (user_id) DO UPDATE SET before = greatest(r.before, excluded.before)
RETURNING before`

// Revoke has tokens of the user refused that were issued before now, which it
// returns. Sessions are ended after it, not before: a session that begins
// meanwhile is either among those that end, or sees the revocation.
func (s *Store) Revoke(ctx context.Context, user domain.UserID) (before time.Time, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, revokeSQL, string(user)).Scan(&before)
	})
	return before, err
}

// What follows is asked by every session that begins, and by many at once: they
// share queries. User ids are ASCII (domain.ParseUserID), so that none can have the
// server refuse what others asked in the same query.
const (
	usersAtOnce = 128
	listsAtOnce = 16 // each may be of 10,000 conversations, and they have one timeout together
)

const revokedSQL = `
SELECT (SELECT before FROM revocations WHERE user_id = u.id)
FROM unnest($1::text[]) WITH ORDINALITY AS u (id, n)
ORDER BY u.n`

// RevokedBefore returns since when tokens of the user are good; zero: always. What
// was revoked before it is asked is seen.
func (s *Store) RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error) {
	return s.revoked.ask(ctx, string(user))
}

func (s *Store) revokedBefore(ctx context.Context, users []string) (list []time.Time, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, revokedSQL, users)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (before time.Time, err error) {
			var stored *time.Time
			if err = row.Scan(&stored); stored != nil {
				before = *stored
			}
			return before, err
		})
		return err
	})
	return list, err
}

const sessionNumbersSQL = `SELECT nextval('session_numbers') FROM generate_series(1, $1::int)`

// SessionNumber returns a number that is higher than all that were returned in this
// epoch before it was asked for.
func (s *Store) SessionNumber(ctx context.Context) (int64, error) {
	return s.numbers.ask(ctx, struct{}{})
}

func (s *Store) sessionNumbers(ctx context.Context, wanted []struct{}) (list []int64, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sessionNumbersSQL, len(wanted))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return list, err
}

// The conversations of each user are looked up by themselves, whoever else is in
// the list, and come as one row.
const membershipsSQL = `
SELECT e.epoch, coalesce(m.ids, '{}'), coalesce(m.heads, '{}'), coalesce(m.joined, '{}'), coalesce(m.since_join, '{}')
FROM epoch e CROSS JOIN unnest($1::text[]) WITH ORDINALITY AS u (id, n) CROSS JOIN LATERAL (
	SELECT array_agg(c.id) AS ids, array_agg(c.head_seq) AS heads, array_agg(m.joined_seq) AS joined,
		array_agg(c.settings ->> 'history' = 'since_join') AS since_join
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = u.id AND m.left_seq IS NULL
) m
ORDER BY u.n`

// memberships are all of a user's, as of one moment, and the epoch.
type memberships struct {
	epoch string
	list  []domain.Membership
}

// Memberships returns what a node must know of a user's conversations to push
// to the user, all as of one moment, and the epoch.
func (s *Store) Memberships(ctx context.Context, user domain.UserID) (epoch string, list []domain.Membership, err error) {
	m, err := s.present.ask(ctx, string(user))
	return m.epoch, m.list, err
}

func (s *Store) memberships(ctx context.Context, users []string) (list []memberships, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, membershipsSQL, users)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanMemberships)
		return err
	})
	return list, err
}

func scanMemberships(row pgx.CollectableRow) (m memberships, err error) {
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
