package domain

import "time"

// Standing is what decides, besides a token itself, whether the token is accepted.
type Standing struct {
	RevokedBefore time.Time // tokens of the user issued before are revoked; zero: none are
	Ban           *UserBan  // nil: the user is not banned at the moment
}

// UserBan is a ban of a user from the app, by its backend. No token of the user is
// accepted until it ends, server tokens excepted.
type UserBan struct {
	Until *Time         // nil: until it is lifted
	Left  time.Duration // how long it still lasted when it was read; 0: it has no end
}

// ErrBanned means that the app has banned the user.
var ErrBanned = ErrForbidden.WithMessage("this user is banned")

// Check returns an error if a token is not accepted: ErrBanned, or ErrUnauthenticated for
// a revoked one. A token without the time of issue counts as issued before a revocation.
func (s Standing) Check(id Identity) error {
	if s.Ban != nil && !id.Server {
		return ErrBanned.WithRetryAfter(s.Ban.Left)
	}
	return id.CheckRevoked(s.RevokedBefore)
}
