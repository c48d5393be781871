package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

const (
	// Leeway is how far the clocks of issuer and verifier may differ.
	Leeway = 30 * time.Second
	// MinSecret is the minimum size of a secret in bytes.
	MinSecret = 32
	// maxToken is the maximum size of a token in bytes. Tokens of identity
	// providers are much smaller.
	maxToken = 16 << 10
	// DefaultUserClaim is the default of Options.UserClaim.
	DefaultUserClaim = "sub"
)

// Options configure which tokens are valid. Secret, JWKSURL or both are required.
type Options struct {
	Secret       string // IM_JWT_SECRET: for HS256, at least MinSecret bytes
	JWKSURL      string // IM_JWKS_URL: http or https; for RS256, ES256 and EdDSA
	UserClaim    string // IM_JWT_USER_CLAIM: the claim with the user id; the default is DefaultUserClaim
	Issuer       string // IM_JWT_ISSUER: the required iss; not checked if empty
	Audience     string // IM_JWT_AUDIENCE: the required aud; not checked if empty
	ServerIssuer string // IM_JWT_SERVER_ISSUER: the iss of JWK Set tokens that may be server tokens; none if empty

	// Verified is called with the identity of every valid token. It must not block.
	Verified func(domain.Identity)
	// Client fetches the JWK Set; the default has a timeout of 5 s.
	Client *http.Client
	// Now is the clock; the default is time.Now.
	Now func() time.Time
	// Logger gets failed fetches of the JWK Set; the default is slog.Default.
	Logger *slog.Logger
}

// Verifier checks tokens. It may be used concurrently.
type Verifier struct {
	secret       []byte
	keys         *keySet // nil without a JWKS
	userClaim    string
	serverIssuer string
	now          func() time.Time
	verified     func(domain.Identity)
	signature    *jwt.Parser
	claims       *jwt.Validator
}

// New returns a Verifier, or an error that names the setting at fault. It does
// not fetch the JWK Set; the first token that needs it does.
func New(o Options) (*Verifier, error) {
	if o.Secret == "" && o.JWKSURL == "" {
		return nil, errors.New("IM_JWT_SECRET or IM_JWKS_URL is required")
	}
	if o.Secret != "" && len(o.Secret) < MinSecret {
		return nil, fmt.Errorf("IM_JWT_SECRET must have at least %d bytes", MinSecret)
	}
	if o.UserClaim == "" {
		o.UserClaim = DefaultUserClaim
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Verified == nil {
		o.Verified = func(domain.Identity) {}
	}
	v := &Verifier{
		secret: []byte(o.Secret), userClaim: o.UserClaim, serverIssuer: o.ServerIssuer, now: o.Now, verified: o.Verified,
		signature: jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding(),
			jwt.WithValidMethods([]string{"HS256", "RS256", "ES256", "EdDSA"})),
	}
	checks := []jwt.ParserOption{jwt.WithLeeway(Leeway), jwt.WithIssuedAt(), jwt.WithTimeFunc(o.Now)}
	if o.Issuer != "" {
		checks = append(checks, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		checks = append(checks, jwt.WithAudience(o.Audience))
	}
	v.claims = jwt.NewValidator(checks...)
	if o.JWKSURL != "" {
		u, err := url.Parse(o.JWKSURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("IM_JWKS_URL must be an http or https URL")
		}
		v.keys = newKeySet(o)
	}
	return v, nil
}

// Verify returns the identity in a token. It fails with domain.ErrTokenExpired
// if only exp is not valid, with domain.ErrUnavailable if the token's key cannot
// be fetched now, and otherwise with domain.ErrUnauthenticated.
func (v *Verifier) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	if raw == "" || len(raw) > maxToken {
		return domain.Identity{}, domain.ErrUnauthenticated
	}
	claims := jwt.MapClaims{}
	parsed, err := v.signature.ParseWithClaims(raw, claims, v.key(ctx))
	switch {
	case errors.Is(err, errKeysUnavailable):
		return domain.Identity{}, domain.ErrUnavailable.WithCause(err)
	case err != nil:
		return domain.Identity{}, domain.ErrUnauthenticated.WithCause(err)
	}
	_, bySecret := parsed.Method.(*jwt.SigningMethodHMAC)
	id, err := v.identity(claims, bySecret)
	switch {
	case errors.Is(err, domain.ErrTokenExpired):
		return domain.Identity{}, err
	case err != nil:
		return domain.Identity{}, domain.ErrUnauthenticated.WithCause(err)
	}
	v.verified(id)
	return id, nil
}

// key selects the key by the algorithm that the token names, so that a secret is
// never used as a public key and the other way round.
func (v *Verifier) key(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		if _, there := t.Header["crit"]; there {
			return nil, errors.New("critical header fields are not supported") // RFC 7515, 4.1.11
		}
		if t.Method.Alg() == jwt.SigningMethodHS256.Alg() {
			if len(v.secret) == 0 {
				return nil, errors.New("no secret is set")
			}
			return v.secret, nil
		}
		if v.keys == nil {
			return nil, errors.New("no JWK Set is set")
		}
		return v.keys.key(ctx, t)
	}
}
