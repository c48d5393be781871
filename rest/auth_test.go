package rest

import (
	"context"
	"strings"

	"im/domain"
)

// fakeVerifier reads tokens of the form user[/device], server tokens with a "!" in
// front; "expired" and "forged" are what they say.
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

// count tells how many calls of a user are under way.
func (g *admission) count(user domain.UserID) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inFlight[user]
}
