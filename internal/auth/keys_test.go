package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

// provider is an identity provider with a JWK Set that can rotate and fail.
type provider struct {
	*httptest.Server
	set     atomic.Pointer[[]byte]
	down    atomic.Bool
	fetches atomic.Int64
}

func newProvider(t *testing.T, keys map[string]crypto.PublicKey) *provider {
	p := &provider{}
	p.publish(t, keys)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		if p.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(*p.set.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) publish(t *testing.T, keys map[string]crypto.PublicKey) {
	t.Helper()
	set := jwkset.JWKSMarshal{}
	for kid, key := range keys {
		jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	// A key of an unknown kind is ignored.
	set.Keys = append(set.Keys, jwkset.JWKMarshal{KTY: "future", KID: "future"})
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	p.set.Store(&text)
}

func newEd25519(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVerifyWithKeySet(t *testing.T) {
	ed, rs, ec := newEd25519(t), newRSA(t), newEC(t)
	p := newProvider(t, map[string]crypto.PublicKey{"ed": ed.Public(), "rs": rs.Public(), "ec": ec.Public()})
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"EdDSA":                    {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "ed"), nil},
		"RS256":                    {signed(t, jwt.SigningMethodRS256, rs, validClaims(), "rs"), nil},
		"ES256":                    {signed(t, jwt.SigningMethodES256, ec, validClaims(), "ec"), nil},
		"without kid":              {signed(t, jwt.SigningMethodRS256, rs, validClaims(), ""), nil},
		"expired":                  {signed(t, jwt.SigningMethodEdDSA, ed, with(jwt.MapClaims{"exp": 1}), "ed"), domain.ErrTokenExpired},
		"PS256":                    {signed(t, jwt.SigningMethodPS256, rs, validClaims(), "rs"), domain.ErrUnauthenticated},
		"another's key":            {signed(t, jwt.SigningMethodEdDSA, newEd25519(t), validClaims(), "ed"), domain.ErrUnauthenticated},
		"key of another kind":      {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "rs"), domain.ErrUnauthenticated},
		"public key as secret":     {signed(t, jwt.SigningMethodHS256, public, validClaims(), "rs"), domain.ErrUnauthenticated},
		"DER as secret":            {signed(t, jwt.SigningMethodHS256, der, validClaims(), ""), domain.ErrUnauthenticated},
		"point as secret":          {signed(t, jwt.SigningMethodHS256, []byte(ed.Public().(ed25519.PublicKey)), validClaims(), "ed"), domain.ErrUnauthenticated},
		"unknown kid":              {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "other"), domain.ErrUnauthenticated},
		"kid of an unknown kind":   {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "future"), domain.ErrUnauthenticated},
		"none, with a known kid":   {signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, validClaims(), "ed"), domain.ErrUnauthenticated},
		"a secret that is not set": {signed(t, jwt.SigningMethodHS256, []byte(secret), validClaims(), ""), domain.ErrUnauthenticated},
		"an empty secret":          {signed(t, jwt.SigningMethodHS256, []byte{}, validClaims(), ""), domain.ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, Options{JWKSURL: p.URL}).Verify(t.Context(), c.token)
			if !errors.Is(err, c.want) && (err != nil || c.want != nil) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestVerifyServerTokens(t *testing.T) {
	ed := newEd25519(t)
	p := newProvider(t, map[string]crypto.PublicKey{"ed": ed.Public()})
	server := with(jwt.MapClaims{"scope": "server", "iss": "backend"})
	byKey := signed(t, jwt.SigningMethodEdDSA, ed, server, "ed")
	bySecret := signed(t, jwt.SigningMethodHS256, []byte(secret), server, "")
	for name, c := range map[string]struct {
		token, issuer string
		want          bool
	}{
		"secret":                 {bySecret, "", true},
		"key":                    {byKey, "", false},
		"key of the issuer":      {byKey, "backend", true},
		"key of another issuer":  {byKey, "elsewhere", false},
		"secret, issuer is set":  {bySecret, "elsewhere", true},
		"scope is another word":  {signed(t, jwt.SigningMethodHS256, []byte(secret), with(jwt.MapClaims{"scope": "servers"}), ""), "", false},
		"scope is not a string":  {signed(t, jwt.SigningMethodHS256, []byte(secret), with(jwt.MapClaims{"scope": []string{"server"}}), ""), "", false},
		"scope names it second":  {signed(t, jwt.SigningMethodHS256, []byte(secret), with(jwt.MapClaims{"scope": "a server"}), ""), "", true},
		"scope in other letters": {signed(t, jwt.SigningMethodHS256, []byte(secret), with(jwt.MapClaims{"scope": "Server"}), ""), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, Options{Secret: secret, JWKSURL: p.URL, ServerIssuer: c.issuer})
			id, err := v.Verify(t.Context(), c.token)
			if err != nil || id.Server != c.want {
				t.Fatalf("server = %v, %v; want %v", id.Server, err, c.want)
			}
		})
	}
}

func TestKeysRotate(t *testing.T) {
	first, second := newEd25519(t), newEd25519(t)
	p := newProvider(t, map[string]crypto.PublicKey{"1": first.Public()})
	now := time.Now()
	v := verifier(t, Options{JWKSURL: p.URL, Now: func() time.Time { return now }})
	oldToken, newToken := signed(t, jwt.SigningMethodEdDSA, first, validClaims(), "1"), signed(t, jwt.SigningMethodEdDSA, second, validClaims(), "2")
	check := func(raw string, want error, fetches int64) {
		t.Helper()
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) && (err != nil || want != nil) {
			t.Fatalf("got %v, want %v", err, want)
		}
		if n := p.fetches.Load(); n != fetches {
			t.Fatalf("%d fetches, want %d", n, fetches)
		}
	}
	check(oldToken, nil, 1)
	check(oldToken, nil, 1)                       // cached
	check(newToken, domain.ErrUnauthenticated, 1) // no second fetch so soon
	p.publish(t, map[string]crypto.PublicKey{"2": second.Public()})
	now = now.Add(keysAttempt)
	check(newToken, nil, 2)                       // the unknown key causes a fetch
	check(oldToken, domain.ErrUnauthenticated, 2) // which removes the old key
	now = now.Add(keysFresh)
	p.down.Store(true)
	check(newToken, nil, 3) // the set is old and the fetch fails: known keys stay in use
	check(newToken, nil, 3)
	check(oldToken, domain.ErrUnavailable, 3) // the key may exist by now
	p.down.Store(false)
	now = now.Add(keysAgain)
	check(newToken, nil, 4)
	check(oldToken, domain.ErrUnauthenticated, 4)
}

func TestUnreachableKeySetCostsABoundedWait(t *testing.T) {
	hang := make(chan struct{})
	p := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer p.Close()
	defer close(hang)
	v := verifier(t, Options{Secret: secret, JWKSURL: p.URL, Client: &http.Client{Timeout: 50 * time.Millisecond}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := v.Verify(ctx, signed(t, jwt.SigningMethodHS256, []byte(secret), validClaims(), "")); err != nil {
		t.Fatalf("a token signed with the secret: %v", err)
	}
	for range 3 {
		_, err := v.Verify(ctx, signed(t, jwt.SigningMethodEdDSA, newEd25519(t), validClaims(), "1"))
		if !errors.Is(err, domain.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
	if ctx.Err() != nil {
		t.Fatal("verification hung")
	}
}
