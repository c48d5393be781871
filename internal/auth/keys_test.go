package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
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
	for name, c := range map[string]struct{ token, reason string }{
		"EdDSA":                    {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "ed"), ""},
		"RS256":                    {signed(t, jwt.SigningMethodRS256, rs, validClaims(), "rs"), ""},
		"ES256":                    {signed(t, jwt.SigningMethodES256, ec, validClaims(), "ec"), ""},
		"without kid":              {signed(t, jwt.SigningMethodRS256, rs, validClaims(), ""), ""},
		"expired":                  {signed(t, jwt.SigningMethodEdDSA, ed, with(jwt.MapClaims{"exp": 1}), "ed"), "the token expired at 1970"},
		"PS256":                    {signed(t, jwt.SigningMethodPS256, rs, validClaims(), "rs"), `the algorithm (alg) of the token is "PS256"`},
		"another's key":            {signed(t, jwt.SigningMethodEdDSA, newEd25519(t), validClaims(), "ed"), `the signature of the token does not fit the key "ed" of IM_JWKS_URL`},
		"another's, without kid":   {signed(t, jwt.SigningMethodEdDSA, newEd25519(t), validClaims(), ""), "the signature of the token fits no key of IM_JWKS_URL"},
		"key of another kind":      {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "rs"), `the key "rs" of IM_JWKS_URL is not for the algorithm EdDSA`},
		"public key as secret":     {signed(t, jwt.SigningMethodHS256, public, validClaims(), "rs"), "IM_JWT_SECRET is not set"},
		"DER as secret":            {signed(t, jwt.SigningMethodHS256, der, validClaims(), ""), "IM_JWT_SECRET is not set"},
		"point as secret":          {signed(t, jwt.SigningMethodHS256, []byte(ed.Public().(ed25519.PublicKey)), validClaims(), "ed"), "IM_JWT_SECRET is not set"},
		"unknown kid":              {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "other"), `IM_JWKS_URL has no key with the id (kid) "other" of the token`},
		"kid of an unknown kind":   {signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "future"), `no key with the id (kid) "future"`},
		"none, with a known kid":   {signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, validClaims(), "ed"), `the algorithm (alg) of the token is "none"`},
		"a secret that is not set": {signed(t, jwt.SigningMethodHS256, []byte(secret), validClaims(), ""), "IM_JWT_SECRET is not set"},
		"an empty secret":          {signed(t, jwt.SigningMethodHS256, []byte{}, validClaims(), ""), "IM_JWT_SECRET is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, Options{JWKSURLs: []string{p.URL}}).Verify(t.Context(), c.token)
			requireReason(t, err, c.reason, c.token)
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
			v := verifier(t, Options{Secret: secret, JWKSURLs: []string{p.URL}, ServerIssuer: c.issuer})
			id, err := v.Verify(t.Context(), c.token)
			if err != nil || id.Server != c.want {
				t.Fatalf("server = %v, %v; want %v", id.Server, err, c.want)
			}
		})
	}
}

// rotation is a provider that rotates its keys, and a verifier with a clock of its own.
type rotation struct {
	*provider
	t   *testing.T
	v   *Verifier
	now time.Time
}

func newRotation(t *testing.T, keys map[string]crypto.PublicKey) *rotation {
	r := &rotation{provider: newProvider(t, keys), t: t, now: time.Now()}
	r.v = verifier(t, Options{JWKSURLs: []string{r.URL}, Now: func() time.Time { return r.now }})
	return r
}

// check verifies a token some time after the last one. It wants an error, and a number
// of fetches since the beginning.
func (r *rotation) check(raw string, after time.Duration, want error, fetches int64) {
	r.t.Helper()
	r.now = r.now.Add(after)
	if _, err := r.v.Verify(r.t.Context(), raw); !errors.Is(err, want) && (err != nil || want != nil) {
		r.t.Fatalf("got %v, want %v", err, want)
	}
	if n := r.fetches.Load(); n != fetches {
		r.t.Fatalf("%d fetches, want %d", n, fetches)
	}
}

func TestKeysRotate(t *testing.T) {
	first, second := newEd25519(t), newEd25519(t)
	r := newRotation(t, map[string]crypto.PublicKey{"1": first.Public()})
	oldToken, newToken := signed(t, jwt.SigningMethodEdDSA, first, validClaims(), "1"), signed(t, jwt.SigningMethodEdDSA, second, validClaims(), "2")
	r.check(oldToken, 0, nil, 1)
	r.check(oldToken, time.Millisecond, nil, 1) // cached
	r.publish(t, map[string]crypto.PublicKey{"2": second.Public()})
	r.check(newToken, time.Millisecond, nil, 2)                       // the unknown key causes a fetch, however short ago the last one is
	r.check(oldToken, time.Millisecond, domain.ErrUnauthenticated, 3) // the old key is gone
	r.check(oldToken, keysMissing/2, domain.ErrUnauthenticated, 3)    // that is known for a while
	r.publish(t, map[string]crypto.PublicKey{"1": first.Public(), "2": second.Public()})
	r.check(oldToken, keysMissing, nil, 4) // the key is back, seconds later
	r.down.Store(true)
	r.check(newToken, keysFresh, nil, 5) // the set is old and the fetch fails: known keys stay in use
	r.check(newToken, time.Second, nil, 5)
	third := signed(t, jwt.SigningMethodEdDSA, second, validClaims(), "3")
	r.check(third, time.Second, domain.ErrUnavailable, 5) // the key may exist by now; the provider is left alone for a while
	r.check(third, keysFailed, domain.ErrUnavailable, 6)
	r.down.Store(false)
	r.check(newToken, keysAgain, nil, 7)
	r.check(third, 0, domain.ErrUnauthenticated, 7)
}

// TestKeysReplacedUnderTheSameID: a provider that keeps the id of its key, or has no
// ids, may replace the key.
func TestKeysReplacedUnderTheSameID(t *testing.T) {
	for _, kid := range []string{"", "main"} {
		first, second := newEd25519(t), newEd25519(t)
		r := newRotation(t, map[string]crypto.PublicKey{kid: first.Public()})
		r.check(signed(t, jwt.SigningMethodEdDSA, first, validClaims(), kid), 0, nil, 1)
		r.publish(t, map[string]crypto.PublicKey{kid: second.Public()})
		r.check(signed(t, jwt.SigningMethodEdDSA, second, validClaims(), kid), time.Second, nil, 2)
		r.check(signed(t, jwt.SigningMethodEdDSA, first, validClaims(), kid), time.Second, domain.ErrUnauthenticated, 2)
		r.check(signed(t, jwt.SigningMethodEdDSA, first, validClaims(), kid), keysReplaced, domain.ErrUnauthenticated, 3)
	}
}

// TestStrangersCauseFewFetches: tokens with invented key ids and signatures do not make
// the node ask the provider for each of them, and a valid token stays valid.
func TestStrangersCauseFewFetches(t *testing.T) {
	ed, stranger := newEd25519(t), newEd25519(t)
	r := newRotation(t, map[string]crypto.PublicKey{"1": ed.Public()})
	for i := range 500 {
		r.now = r.now.Add(20 * time.Millisecond) // 10 s in all
		for _, kid := range []string{"invented " + strconv.Itoa(i), "1"} {
			_, err := r.v.Verify(t.Context(), signed(t, jwt.SigningMethodEdDSA, stranger, validClaims(), kid))
			if err == nil {
				t.Fatal("a forged token is accepted")
			}
		}
		if _, err := r.v.Verify(t.Context(), signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "1")); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.fetches.Load(); n > keysBurst+5+2 {
		t.Errorf("%d fetches", n)
	}
}

// TestUnusableKeysAreLeftOut: one bad key does not spoil the others, and a set without a
// good one does not replace the one before.
func TestUnusableKeysAreLeftOut(t *testing.T) {
	ed := newEd25519(t)
	r := newRotation(t, map[string]crypto.PublicKey{"1": ed.Public()})
	good := base64.RawURLEncoding.EncodeToString(ed.Public().(ed25519.PublicKey))
	text := []byte(`{"keys":[null,7,{"kid":5,"kty":"OKP","crv":"Ed25519","x":"` + good + `"},{"kid":"1","kty":"oct","k":"c2VjcmV0"},{"kid":"1","kty":"RSA","n":"!","e":"AQAB"},
		{"kid":"1","kty":"OKP","crv":"Ed25519","use":"enc","x":"` + good + `"},{"kid":"1","kty":"EC","crv":"P-521","x":"AA","y":"AA"},
		{"kid":"1","kty":"OKP","crv":"Ed25519","x5c":"nonsense","alg":"EdDSA","key_ops":["verify"],"x":"` + good + `"}]}`)
	r.set.Store(&text)
	token := signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "1")
	r.check(token, 0, nil, 1)
	for _, bad := range []string{`{"keys":[]}`, `{}`, `<html>`, `{"keys":[{"kty":"future"}]}`} {
		text := []byte(bad)
		r.set.Store(&text)
		n := r.fetches.Load()
		r.check(token, keysFresh, nil, n+1)
		r.check(signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "2"), keysFailed, domain.ErrUnavailable, n+2)
	}
}

// TestSeveralKeySets: a key of any provider will do, also while another one is away.
func TestSeveralKeySets(t *testing.T) {
	a, b := newEd25519(t), newEd25519(t)
	first, second := newProvider(t, map[string]crypto.PublicKey{"a": a.Public()}), newProvider(t, map[string]crypto.PublicKey{"b": b.Public()})
	v := verifier(t, Options{JWKSURLs: []string{first.URL, second.URL}})
	for kid, private := range map[string]ed25519.PrivateKey{"a": a, "b": b} {
		_, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodEdDSA, private, validClaims(), kid))
		requireReason(t, err, "", "")
	}
	_, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodEdDSA, a, validClaims(), "b"))
	requireReason(t, err, `does not fit the key "b"`, "")

	second.down.Store(true)
	v = verifier(t, Options{JWKSURLs: []string{first.URL, second.URL}})
	_, err = v.Verify(t.Context(), signed(t, jwt.SigningMethodEdDSA, a, validClaims(), "a"))
	requireReason(t, err, "", "")
	if _, err = v.Verify(t.Context(), signed(t, jwt.SigningMethodEdDSA, b, validClaims(), "b")); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("the provider of the key is away: %v", err)
	}
}

// TestKeySetOverTLS: the operator names the authority of a certificate that the system
// does not know. The log says so.
func TestKeySetOverTLS(t *testing.T) {
	ed := newEd25519(t)
	p := newProvider(t, map[string]crypto.PublicKey{"1": ed.Public()})
	secure := httptest.NewTLSServer(p.Config.Handler)
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	token := signed(t, jwt.SigningMethodEdDSA, ed, validClaims(), "1")
	_, err := verifier(t, Options{JWKSURLs: []string{secure.URL}, JWKSRoots: roots}).Verify(t.Context(), token)
	requireReason(t, err, "", "")

	var log bytes.Buffer
	v, err := New(Options{JWKSURLs: []string{strings.Replace(secure.URL, "://", "://user:password@", 1)}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = v.Verify(t.Context(), token); !errors.Is(err, domain.ErrUnavailable) || !strings.Contains(err.Error(), "IM_JWKS_URL") {
		t.Errorf("an unknown authority: %v", err)
	}
	if !strings.Contains(log.String(), "IM_JWKS_CA_FILE") || strings.Contains(log.String(), "password") {
		t.Error(log.String())
	}
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
	v := verifier(t, Options{Secret: secret, JWKSURLs: []string{p.URL}, Client: &http.Client{Timeout: 50 * time.Millisecond}})
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
