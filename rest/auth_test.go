package rest

import (
	"context"
	"strings"

	"im/domain"
)

// fakeVerifier accepts tokens of the form user[/device]; a server token begins with "!".
// The tokens "expired", "forged", "unverifiable" and "panics" behave like that.
type fakeVerifier struct{}

func (fakeVerifier) Verify(_ context.Context, raw string) (domain.Identity, error) {
	switch raw {
	case "expired":
		return domain.Identity{}, domain.ErrTokenExpired
	case "forged", "":
		return domain.Identity{}, domain.ErrUnauthenticated
	case "unverifiable":
		return domain.Identity{}, domain.ErrUnavailable
	case "panics":
		panic("verifier")
	}
	name, server := strings.CutPrefix(raw, "!")
	user, device, _ := strings.Cut(name, "/")
	return domain.Identity{User: domain.UserID(user), Device: domain.DeviceID(device), Server: server}, nil
}
