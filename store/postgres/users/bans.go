package users

import (
	"context"
	"time"

	"im/domain"
)

// The ban is stored with a revocation: what the user got before stays refused when the
// ban is over. An end in the past makes no row.
const banUserSQL = `
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), banned AS (
	INSERT INTO user_bans AS b (user_id, until, reason, since)
	SELECT $1, $2, $3, now FROM clock WHERE $2::timestamptz IS NULL OR $2 > now
	ON CONFLICT (user_id) DO UPDATE SET until = excluded.until, reason = excluded.reason
	RETURNING user_id
), revoked AS (
	INSERT INTO revocations AS r (user_id, before) SELECT user_id, now FROM banned, clock
	ON CONFLICT (user_id) DO UPDATE SET before = greatest(r.before, excluded.before)
)
SELECT EXISTS (SELECT FROM banned)`

// BanUser refuses all tokens of a user until a time, or for good if until is nil, and
// revokes those that there are. To ban a user again changes the time and the reason. An end
// in the past is ErrInvalid. End the sessions of the user afterwards, as after Revoke.
func (r *Records) BanUser(ctx context.Context, user domain.UserID, until *domain.Time, reason string) error {
	var end *time.Time
	if until != nil {
		end = &until.Time
	}
	var banned bool
	err := r.db.Read(ctx, func(ctx context.Context) error {
		return r.db.Pool.QueryRow(ctx, banUserSQL, string(user), end, reason).Scan(&banned)
	})
	if err == nil && !banned {
		return domain.Invalid("/until", "must be in the future")
	}
	return err
}

const unbanUserSQL = `DELETE FROM user_bans WHERE user_id = $1`

// UnbanUser lifts a ban. The user needs a new token.
func (r *Records) UnbanUser(ctx context.Context, user domain.UserID) error {
	return r.db.Read(ctx, func(ctx context.Context) error {
		_, err := r.db.Pool.Exec(ctx, unbanUserSQL, string(user))
		return err
	})
}
