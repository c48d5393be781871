package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/test/leaktest"

	"im/domain"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

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
		"IM_JWT_SECRET":        {Secret: "too short"},
		"IM_JWKS_URL":          {JWKSURLs: []string{"https://keys.example", "ftp://keys.example"}},
		"IM_JWT_SERVER_ISSUER": {JWKSURLs: []string{"https://a.example", "https://b.example"}, ServerIssuer: "a"},
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
		token  string
		reason string // "" if the token is valid
	}{
		"good":                        {valid, ""},
		"expired within the leeway":   {hs(with(jwt.MapClaims{"exp": now.Add(-20 * time.Second).Unix()})), ""},
		"expired":                     {hs(with(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()})), "the token expired at 20"},
		"expired, without user":       {hs(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}), "the claim sub, which holds the user id (IM_JWT_USER_CLAIM), is missing"},
		"expired, forged":             {signed(t, jwt.SigningMethodHS256, []byte(strings.ToUpper(secret)), with(jwt.MapClaims{"exp": 1}), ""), "the signature of the token does not fit IM_JWT_SECRET"},
		"without exp":                 {hs(without("exp")), "the claim exp is missing"},
		"exp is a string":             {hs(with(jwt.MapClaims{"exp": "tomorrow"})), "the claim exp is not a number"},
		"exp is null":                 {hs(with(jwt.MapClaims{"exp": nil})), "the claim exp is not a number"},
		"exp out of range":            {hs(with(jwt.MapClaims{"exp": 1e300})), "the claim exp is out of range"},
		"exp in milliseconds":         {hs(with(jwt.MapClaims{"exp": now.Add(time.Hour).UnixMilli()})), "it counts seconds since 1970, not milliseconds"},
		"exp with a fraction":         {hs(with(jwt.MapClaims{"exp": float64(now.Unix()) + 100.5})), ""},
		"not yet valid":               {hs(with(jwt.MapClaims{"nbf": now.Add(time.Minute).Unix()})), "the token is not valid before 20"},
		"valid within the leeway":     {hs(with(jwt.MapClaims{"nbf": now.Add(20 * time.Second).Unix()})), ""},
		"nbf is a string":             {hs(with(jwt.MapClaims{"nbf": "tomorrow"})), "one of the claims nbf, iat and aud is not of its type"},
		"issued in the future":        {hs(with(jwt.MapClaims{"iat": now.Add(time.Minute).Unix()})), "the token was issued in the future, at 20"},
		"without a user":              {hs(without("sub")), "the claim sub, which holds the user id (IM_JWT_USER_CLAIM), is missing"},
		"user is null":                {hs(with(jwt.MapClaims{"sub": nil})), "the claim sub is neither a string nor an integer"},
		"user is a list":              {hs(with(jwt.MapClaims{"sub": []string{"alice"}})), "the claim sub is neither a string nor an integer"},
		"user is a fraction":          {hs(with(jwt.MapClaims{"sub": json.RawMessage("7.5")})), "the claim sub is a number that is not written as an integer"},
		"user has an exponent":        {hs(with(jwt.MapClaims{"sub": json.RawMessage("1e3")})), "the claim sub is a number that is not written as an integer"},
		"user ends in .0":             {hs(with(jwt.MapClaims{"sub": json.RawMessage("7.0")})), "the claim sub is a number that is not written as an integer"},
		"user is -0":                  {hs(with(jwt.MapClaims{"sub": json.RawMessage("-0")})), "the claim sub is a number that is not written as an integer"},
		"user outside the alphabet":   {hs(with(jwt.MapClaims{"sub": "a/b"})), "the claim sub is not a user id: it must be 1 to 128 ASCII letters"},
		"user of dots":                {hs(with(jwt.MapClaims{"sub": ".."})), "the claim sub is not a user id"},
		"empty user":                  {hs(with(jwt.MapClaims{"sub": ""})), "the claim sub is not a user id"},
		"user of 128 characters":      {hs(with(jwt.MapClaims{"sub": strings.Repeat("a", 128)})), ""},
		"user of 129 characters":      {hs(with(jwt.MapClaims{"sub": strings.Repeat("a", 129)})), "the claim sub is not a user id"},
		"user of 129 digits":          {hs(with(jwt.MapClaims{"sub": json.RawMessage(strings.Repeat("1", 129))})), "the claim sub is not a user id"},
		"device outside the alphabet": {hs(with(jwt.MapClaims{"device_id": "my phone"})), "the claim device_id is not a device id"},
		"device is true":              {hs(with(jwt.MapClaims{"device_id": true})), "the claim device_id is neither a string nor an integer"},
		"empty":                       {"", "the token is empty"},
		"not a token":                 {"a.b.c", "the token is not a JWT: its header or its claims cannot be decoded"},
		"no parts":                    {"an-api-key", "the token is not a JWT: it has 1 instead of 3 parts"},
		"encrypted":                   {"a.b.c.d.e", "the token is encrypted"},
		"too long":                    {hs(with(jwt.MapClaims{"pad": strings.Repeat("a", MaxToken)})), "at most 16384 are allowed"},
		"other secret":                {signed(t, jwt.SigningMethodHS256, []byte(strings.ToUpper(secret)), validClaims(), ""), "does not fit IM_JWT_SECRET"},
		"HS512":                       {signed(t, jwt.SigningMethodHS512, []byte(secret), validClaims(), ""), `the algorithm (alg) of the token is "HS512"; HS256, RS256, ES256, EdDSA are allowed`},
		"alg none":                    {signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, validClaims(), ""), `the algorithm (alg) of the token is "none"`},
		"alg None":                    {bare(`{"alg":"None","typ":"JWT"}`), `the algorithm (alg) of the token is "None"`},
		"without alg":                 {bare(`{"typ":"JWT"}`), `the algorithm (alg) of the token is ""`},
		"signature cut off":           {parts[0] + "." + parts[1] + ".", "does not fit IM_JWT_SECRET"},
		"other claims":                {parts[0] + "." + strings.Split(hs(with(jwt.MapClaims{"sub": "bob"})), ".")[1] + "." + parts[2], "does not fit IM_JWT_SECRET"},
		"a key that is not set":       {signed(t, jwt.SigningMethodEdDSA, newEd25519(t), validClaims(), ""), "IM_JWKS_URL is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, Options{Secret: secret}).Verify(t.Context(), c.token)
			requireReason(t, err, c.reason, c.token)
			if strings.HasPrefix(c.reason, "the token expired") != errors.Is(err, domain.ErrTokenExpired) {
				t.Errorf("the code is wrong: %v", err)
			}
		})
	}
}

// requireReason fails the test unless a token was refused with a reason, or accepted if
// the reason is "". The error must not contain the token.
func requireReason(t *testing.T, err error, reason, token string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var refused *domain.Error
	if !errors.As(err, &refused) || refused.Code != domain.CodeUnauthenticated && refused.Code != domain.CodeTokenExpired {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(refused.Message, reason) {
		t.Errorf("the reason is %q, want %q", refused.Message, reason)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("the error contains a part of the token: %v", err)
		}
	}
}

// TestRefusalsAreLogged: the operator sees which check failed, and never the token.
func TestRefusalsAreLogged(t *testing.T) {
	var log bytes.Buffer
	v, err := New(Options{Secret: secret, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	token := signed(t, jwt.SigningMethodHS256, []byte(secret), without("sub"), "")
	for range 100 {
		_, _ = v.Verify(t.Context(), token)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines", lines)
	}
	if !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), "the claim sub, which holds") || strings.Contains(log.String(), token) {
		t.Error(log.String())
	}
}

// TestNumericIDs: a JSON integer stands for its decimal digits, however many there are.
func TestNumericIDs(t *testing.T) {
	for number, want := range map[string]domain.UserID{
		"0": "0", "7": "7", "-7": "-7", "9007199254740993": "9007199254740993", "123456789012345678901234567890": "123456789012345678901234567890",
	} {
		raw := signed(t, jwt.SigningMethodHS256, []byte(secret), with(jwt.MapClaims{"sub": json.RawMessage(number), "device_id": 5}), "")
		got, err := verifier(t, Options{Secret: secret}).Verify(t.Context(), raw)
		if err != nil || got.User != want || got.Device != "5" {
			t.Errorf("%s: %+v, %v", number, got, err)
		}
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
	v := verifier(t, Options{Secret: secret, Issuers: []string{"https://id.example/", " app"}, Audiences: []string{"im", "im-test"}})
	const issuers, audiences = `one of "https://id.example/", "app"`, `one of "im", "im-test"`
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		reason string
	}{
		"both":               {with(jwt.MapClaims{"iss": "app", "aud": "im"}), ""},
		"the others":         {with(jwt.MapClaims{"iss": "https://id.example/", "aud": "im-test"}), ""},
		"one of several":     {with(jwt.MapClaims{"iss": "app", "aud": []string{"shop", "im"}}), ""},
		"no issuer":          {with(jwt.MapClaims{"aud": "im"}), "the claim iss is missing; IM_JWT_ISSUER requires " + issuers},
		"issuer is a number": {with(jwt.MapClaims{"iss": 1, "aud": "im"}), "the claim iss is missing"},
		"other issuer":       {with(jwt.MapClaims{"iss": "elsewhere", "aud": "im"}), `the claim iss is "elsewhere"; IM_JWT_ISSUER requires ` + issuers},
		"without the slash":  {with(jwt.MapClaims{"iss": "https://id.example", "aud": "im"}), "they differ in the slash at the end"},
		"no audience":        {with(jwt.MapClaims{"iss": "app"}), "the claim aud is missing; IM_JWT_AUDIENCE requires " + audiences},
		"empty audience":     {with(jwt.MapClaims{"iss": "app", "aud": []string{}}), "the claim aud is missing"},
		"other audience":     {with(jwt.MapClaims{"iss": "app", "aud": "shop"}), `the claim aud is "shop"; IM_JWT_AUDIENCE requires ` + audiences},
		"other audiences":    {with(jwt.MapClaims{"iss": "app", "aud": []string{"shop", "pay"}}), `the claim aud is "shop", "pay"; IM_JWT_AUDIENCE requires ` + audiences},
		"audience of 1":      {with(jwt.MapClaims{"iss": "app", "aud": 1}), "the claim aud is neither a string nor a list of strings"},
		"a long issuer":      {with(jwt.MapClaims{"iss": strings.Repeat("x", 5000), "aud": "im"}), `xxx…"; IM_JWT_ISSUER requires `},
		"expired too":        {with(jwt.MapClaims{"iss": "elsewhere", "aud": "im", "exp": 1}), `the claim iss is "elsewhere"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodHS256, []byte(secret), c.claims, ""))
			requireReason(t, err, c.reason, "")
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
