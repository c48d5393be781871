package auth

import (
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"im/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret of at least thirty-two bytes"

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func validClaims() jwt.MapClaims {
	return jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
}

func with(changes jwt.MapClaims) jwt.MapClaims {
	claims := validClaims()
	maps.Copy(claims, changes)
	return claims
}

func without(name string) jwt.MapClaims {
	claims := validClaims()
	delete(claims, name)
	return claims
}

func signed(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, kid string) string {
	t.Helper()
	unsigned := jwt.NewWithClaims(method, claims)
	if kid != "" {
		unsigned.Header["kid"] = kid
	}
	raw, err := unsigned.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verifier(t *testing.T, o Options) *Verifier {
	t.Helper()
	o.Logger = quiet
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNewNamesTheSettingAtFault(t *testing.T) {
	for name, o := range map[string]Options{
		"IM_JWT_SECRET": {Secret: "too short"},
		"IM_JWKS_URL":   {JWKSURL: "ftp://keys.example"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New(%+v) = %v, want an error that names %s", o, err, name)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New accepted options without keys")
	}
}

func TestVerifyWithSecret(t *testing.T) {
	hs := func(claims jwt.MapClaims) string {
		return signed(t, jwt.SigningMethodHS256, []byte(secret), claims, "")
	}
	now := time.Now()
	valid := hs(validClaims())
	parts := strings.Split(valid, ".")
	bare := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "."
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"good":                        {valid, nil},
		"expired within the leeway":   {hs(with(jwt.MapClaims{"exp": now.Add(-20 * time.Second).Unix()})), nil},
		"expired":                     {hs(with(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()})), domain.ErrTokenExpired},
		"expired, without user":       {hs(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}), domain.ErrUnauthenticated},
		"expired, forged":             {signed(t, jwt.SigningMethodHS256, []byte(strings.ToUpper(secret)), with(jwt.MapClaims{"exp": 1}), ""), domain.ErrUnauthenticated},
		"without exp":                 {hs(without("exp")), domain.ErrUnauthenticated},
		"exp is a string":             {hs(with(jwt.MapClaims{"exp": "tomorrow"})), domain.ErrUnauthenticated},
		"exp out of range":            {hs(with(jwt.MapClaims{"exp": 1e300})), domain.ErrUnauthenticated},
		"not yet valid":               {hs(with(jwt.MapClaims{"nbf": now.Add(time.Minute).Unix()})), domain.ErrUnauthenticated},
		"valid within the leeway":     {hs(with(jwt.MapClaims{"nbf": now.Add(20 * time.Second).Unix()})), nil},
		"issued in the future":        {hs(with(jwt.MapClaims{"iat": now.Add(time.Minute).Unix()})), domain.ErrUnauthenticated},
		"without a user":              {hs(without("sub")), domain.ErrUnauthenticated},
		"user is a number":            {hs(with(jwt.MapClaims{"sub": 7})), domain.ErrUnauthenticated},
		"user outside the alphabet":   {hs(with(jwt.MapClaims{"sub": "a/b"})), domain.ErrUnauthenticated},
		"user of dots":                {hs(with(jwt.MapClaims{"sub": ".."})), domain.ErrUnauthenticated},
		"user of 128 characters":      {hs(with(jwt.MapClaims{"sub": strings.Repeat("a", 128)})), nil},
		"user of 129 characters":      {hs(with(jwt.MapClaims{"sub": strings.Repeat("a", 129)})), domain.ErrUnauthenticated},
		"device outside the alphabet": {hs(with(jwt.MapClaims{"device_id": "my phone"})), domain.ErrUnauthenticated},
		"device is a number":          {hs(with(jwt.MapClaims{"device_id": 1})), domain.ErrUnauthenticated},
		"empty":                       {"", domain.ErrUnauthenticated},
		"not a token":                 {"a.b.c", domain.ErrUnauthenticated},
		"too long":                    {hs(with(jwt.MapClaims{"pad": strings.Repeat("a", maxToken)})), domain.ErrUnauthenticated},
		"other secret":                {signed(t, jwt.SigningMethodHS256, []byte(strings.ToUpper(secret)), validClaims(), ""), domain.ErrUnauthenticated},
		"HS512":                       {signed(t, jwt.SigningMethodHS512, []byte(secret), validClaims(), ""), domain.ErrUnauthenticated},
		"alg none":                    {signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, validClaims(), ""), domain.ErrUnauthenticated},
		"alg None":                    {bare(`{"alg":"None","typ":"JWT"}`), domain.ErrUnauthenticated},
		"without alg":                 {bare(`{"typ":"JWT"}`), domain.ErrUnauthenticated},
		"signature cut off":           {parts[0] + "." + parts[1] + ".", domain.ErrUnauthenticated},
		"other claims":                {parts[0] + "." + strings.Split(hs(with(jwt.MapClaims{"sub": "bob"})), ".")[1] + "." + parts[2], domain.ErrUnauthenticated},
		"a key that is not set":       {signed(t, jwt.SigningMethodEdDSA, newEd25519(t), validClaims(), ""), domain.ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, Options{Secret: secret}).Verify(t.Context(), c.token)
			if !errors.Is(err, c.want) && (err != nil || c.want != nil) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestVerifyRefusesCriticalHeader(t *testing.T) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, validClaims())
	unsigned.Header["crit"] = []string{"b64"}
	raw, err := unsigned.SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier(t, Options{Secret: secret}).Verify(t.Context(), raw); !errors.Is(err, domain.ErrUnauthenticated) {
		t.Fatalf("got %v", err)
	}
}

// TestVerifiedGetsValidIdentities: the callback gets each valid identity and no other.
func TestVerifiedGetsValidIdentities(t *testing.T) {
	var got []domain.UserID
	v := verifier(t, Options{Secret: secret, Verified: func(id domain.Identity) { got = append(got, id.User) }})
	for _, claims := range []jwt.MapClaims{validClaims(), without("sub"), with(jwt.MapClaims{"exp": 1})} {
		_, _ = v.Verify(t.Context(), signed(t, jwt.SigningMethodHS256, []byte(secret), claims, ""))
	}
	if !slices.Equal(got, []domain.UserID{"alice"}) {
		t.Errorf("verified %v", got)
	}
}

func TestVerifyReadsClaims(t *testing.T) {
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	raw := signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{
		"uid": "alice", "sub": "someone else", "exp": exp.Unix(), "iat": exp.Add(-time.Hour).Unix(), "device_id": "phone",
		"name": "Alice", "picture": "https://example.org/a.png", "scope": "chat server",
	}, "")
	got, err := verifier(t, Options{Secret: secret, UserClaim: "uid"}).Verify(t.Context(), raw)
	want := domain.Identity{
		User: "alice", Device: "phone", Name: "Alice", Picture: "https://example.org/a.png", Server: true,
		Scope: "chat server", Expires: domain.TimeOf(exp), Issued: domain.TimeOf(exp.Add(-time.Hour)),
	}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestVerifyIssuerAndAudience(t *testing.T) {
	v := verifier(t, Options{Secret: secret, Issuer: "app", Audience: "im"})
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		want   error
	}{
		"both":           {with(jwt.MapClaims{"iss": "app", "aud": "im"}), nil},
		"one of several": {with(jwt.MapClaims{"iss": "app", "aud": []string{"shop", "im"}}), nil},
		"no issuer":      {with(jwt.MapClaims{"aud": "im"}), domain.ErrUnauthenticated},
		"other issuer":   {with(jwt.MapClaims{"iss": "elsewhere", "aud": "im"}), domain.ErrUnauthenticated},
		"no audience":    {with(jwt.MapClaims{"iss": "app"}), domain.ErrUnauthenticated},
		"other audience": {with(jwt.MapClaims{"iss": "app", "aud": "shop"}), domain.ErrUnauthenticated},
		"expired too":    {with(jwt.MapClaims{"iss": "elsewhere", "aud": "im", "exp": 1}), domain.ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodHS256, []byte(secret), c.claims, ""))
			if !errors.Is(err, c.want) && (err != nil || c.want != nil) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestSignMakesValidTokens(t *testing.T) {
	raw, err := Sign(secret, "alice", Grant{TTL: time.Hour, Server: true, Device: "phone", Name: "Alice"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := verifier(t, Options{Secret: secret}).Verify(t.Context(), raw)
	if err != nil || got.User != "alice" || !got.Server || got.Device != "phone" || got.Name != "Alice" || got.Issued.IsZero() {
		t.Fatalf("got %+v, %v", got, err)
	}
	raw, err = Sign(secret, "alice", Grant{TTL: -time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier(t, Options{Secret: secret}).Verify(t.Context(), raw); !errors.Is(err, domain.ErrTokenExpired) {
		t.Fatalf("an expired token: %v", err)
	}
	if _, err := Sign("short", "alice", Grant{}); err == nil || !strings.Contains(err.Error(), "IM_JWT_SECRET") {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := Sign(secret, "a b", Grant{}); err == nil {
		t.Error("Sign accepted an invalid user id")
	}
}
