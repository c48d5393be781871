package domain

import "time"

// Identity is who a valid token says that the caller is.
type Identity struct {
	User    UserID
	Device  DeviceID // "" if the token does not bind one
	Name    string   // profile claims, perhaps ""
	Picture string
	Server  bool // the token of a backend
	Scope   string
	Expires Time
	Issued  Time // zero if the token does not say
}

// CheckRevoked fails with ErrUnauthenticated if tokens that were issued before a moment
// are good no more, and the identity's is one of them. A token that does not say when
// it was issued was issued before.
func (id Identity) CheckRevoked(before time.Time) error {
	if id.Issued.Before(before) {
		return ErrUnauthenticated.WithMessage("the token has been revoked")
	}
	return nil
}
