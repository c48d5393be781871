package users

import (
	"context"
	"time"

	"im/domain"
)

const endSQL = `
INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership, end_user, end_session, end_below, end_code)
VALUES (gen_random_uuid(), clock_timestamp(), $1, '{}', '{}', '{}', '{}', $2, $3,
	CASE WHEN $3::text = '' THEN nextval('session_numbers') ELSE 0 END, $4)
RETURNING end_below`

// EndSession writes to the feed that a session of the user ends. Every node reads it. The
// caller also sends the returned signal to the nodes, which is faster.
func (r *Records) EndSession(ctx context.Context, user domain.UserID, session domain.SessionID) (domain.EndSessions, error) {
	return r.end(ctx, domain.EndSessions{User: user, Session: session, Code: domain.CloseEnded})
}

func (r *Records) end(ctx context.Context, end domain.EndSessions) (domain.EndSessions, error) {
	err := r.db.Read(ctx, func(ctx context.Context) error {
		return r.db.Pool.QueryRow(ctx, endSQL, r.node, string(end.User), string(end.Session), end.Code).Scan(&end.Below)
	})
	return end, err
}

// EndSessions is EndSession for all sessions that the user has at the moment, with a close
// code.
func (r *Records) EndSessions(ctx context.Context, user domain.UserID, code int) (domain.EndSessions, error) {
	return r.end(ctx, domain.EndSessions{User: user, Code: code})
}

const revokeSQL = `
INSERT INTO revocations AS r (user_id, before) VALUES ($1, clock_timestamp())
ON CONFLICT (user_id) DO UPDATE SET before = greatest(r.before, excluded.before)
RETURNING before`

// Revoke revokes the tokens of the user that were issued before now, and returns that
// time. End the sessions of the user afterwards, not before: then a session that begins
// concurrently either is one of those that end, or sees the revocation.
func (r *Records) Revoke(ctx context.Context, user domain.UserID) (before time.Time, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) error {
		return r.db.Pool.QueryRow(ctx, revokeSQL, string(user)).Scan(&before)
	})
	return before, err
}
