package rest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"im/domain"
	"im/internal/edge"
)

// fakeVerifier accepts tokens of the form user[/device]; a server token begins with "!".
// The tokens "expired", "forged", "unverifiable" and "panics" behave like that.
type fakeVerifier struct{}

func (fakeVerifier) Verify(_ context.Context, raw string) (domain.Identity, error) {
	switch raw {
	case "expired":
		return domain.Identity{}, domain.ErrTokenExpired
	case "forged", "":
		return domain.Identity{}, domain.ErrUnauthenticated.WithMessage("the reason of the verifier")
	case "unverifiable":
		return domain.Identity{}, domain.ErrUnavailable
	case "panics":
		panic("verifier")
	}
	name, server := strings.CutPrefix(raw, "!")
	user, device, _ := strings.Cut(name, "/")
	return domain.Identity{User: domain.UserID(user), Device: domain.DeviceID(device), Server: server}, nil
}

// TestUnauthenticatedSaysWhy: every 401 says which check failed.
func TestUnauthenticatedSaysWhy(t *testing.T) {
	s := newTestServer(t)
	for header, want := range map[string]string{
		"X-None: 1":                    "the header Authorization is missing",
		"Authorization: forged":        `must be "Bearer"`,
		"Authorization: Basic eHk=":    `must be "Bearer"`,
		"Authorization: Bearer forged": "the reason of the verifier",
	} {
		got := s.call(t, "", "GET", "/v1/sync", "", header).want(t, 401)
		got.refused(t, domain.CodeUnauthenticated, "")
		var p edge.Problem
		if err := json.Unmarshal(got.body, &p); err != nil || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %s, want %q", header, got.body, want)
		}
		if got.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %v", header, got.Header)
		}
	}
}
