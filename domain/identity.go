package domain

import "time"

// Identity is the content of a valid token.
type Identity struct {
	User    UserID
	Device  DeviceID // the device that the token is bound to; "" for none
	Name    string   // profile claim; "" for none
	Picture string   // profile claim, a URL; "" for none
	Server  bool     // it is the token of a backend
	Scope   string   // as in the token; "" for none
	Expires Time     // no request is accepted with the token afterwards
	Issued  Time     // zero if the token has no such claim
}

// CheckRevoked returns ErrUnauthenticated if the token was issued before a time. A
// token without the time of issue counts as issued before it.
func (id Identity) CheckRevoked(before time.Time) error {
	if id.Issued.Before(before) {
		return ErrUnauthenticated.WithMessage("the token has been revoked")
	}
	return nil
}
