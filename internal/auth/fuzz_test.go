package auth

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

// FuzzVerify: only signed tokens are accepted. For every other text the error is
// one of the contract.
func FuzzVerify(f *testing.F) {
	sign := func(secret string, claims jwt.MapClaims) string {
		raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			f.Fatal(err)
		}
		return raw
	}
	exp := time.Now().Add(time.Hour).Unix()
	known := sign(secret, jwt.MapClaims{"sub": "alice", "exp": exp})
	f.Add(known)
	f.Add(sign(strings.ToUpper(secret), jwt.MapClaims{"sub": "alice", "exp": exp}))
	f.Add(sign(secret, jwt.MapClaims{"sub": "alice"}))
	f.Add("eyJhbGciOiJub25lIn0." + strings.Split(known, ".")[1] + ".")
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	foreign, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "alice", "exp": exp}).SignedString(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(foreign)
	f.Add("..")
	f.Add("")
	v, err := New(Options{Secret: secret, Logger: quiet})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		id, err := v.Verify(t.Context(), raw)
		switch {
		case errors.Is(err, domain.ErrUnauthenticated), errors.Is(err, domain.ErrTokenExpired):
		case err != nil:
			t.Errorf("%q: %v", raw, err)
		case raw != known && id.User != "alice":
			t.Errorf("%q is %s", raw, id.User)
		}
	})
}

// FuzzIdentity: signed claims of any content make an identity with a valid user id,
// or are refused.
func FuzzIdentity(f *testing.F) {
	f.Add("alice", "phone", "server", "Alice", "https://example.org/a.png")
	f.Add("", "", "", "", "")
	f.Add("a b", "..", "serverx", "\x00", "\xff")
	v, err := New(Options{Secret: secret, Logger: quiet})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, user, device, scope, name, picture string) {
		raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": user, "device_id": device, "scope": scope, "name": name, "picture": picture, "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString([]byte(secret))
		if err != nil {
			t.Skip()
		}
		id, err := v.Verify(t.Context(), raw)
		if err != nil {
			if !errors.Is(err, domain.ErrUnauthenticated) {
				t.Errorf("%v", err)
			}
			return
		}
		if _, err := domain.ParseUserID("", string(id.User)); err != nil {
			t.Errorf("user %q", id.User)
		}
		if id.Server && !strings.Contains(scope, "server") {
			t.Errorf("scope %q makes a server", scope)
		}
	})
}
