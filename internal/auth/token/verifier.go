package token

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
	// Leeway is how far the clocks of issuer and verifier may be apart.
	Leeway = 30 * time.Second
	// MinSecret is how many bytes a secret must have at least.
	MinSecret = 32
	// maxToken is how many bytes a token may have; identity providers stay far below.
	maxToken = 16 << 10
	// DefaultUserClaim is the claim that names the user unless set otherwise.
	DefaultUserClaim = "sub"
)

// Options say which tokens are good. Secret, JWKSURL or both are required.
type Options struct {
	Secret       string // IM_JWT_SECRET: HS256, at least MinSecret bytes
	JWKSURL      string // IM_JWKS_URL: http or https; RS256, ES256, EdDSA
	UserClaim    string // IM_JWT_USER_CLAIM; DefaultUserClaim if empty
	Issuer       string // IM_JWT_ISSUER; checked when set
	Audience     string // IM_JWT_AUDIENCE; checked when set
	ServerIssuer string // IM_JWT_SERVER_ISSUER: whose JWKS tokens may be server tokens

	// Client fetches the JWK Set; one with a timeout of 5 s if nil.
	Client *http.Client
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Logger is told of fetches that fail; slog.Default if nil.
	Logger *slog.Logger
}

// Verifier judges tokens. Safe for concurrent use.
type Verifier struct {
	secret       []byte
	keys         *keySet // nil without a JWKS
	userClaim    string
	serverIssuer string
	now          func() time.Time
	signature    *jwt.Parser
	claims       *jwt.Validator
}

// New returns a Verifier, or an error that names the setting at fault. It
// fetches nothing: the JWK Set is read when the first token asks for it.
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
	v := &Verifier{
		secret: []byte(o.Secret), userClaim: o.UserClaim, serverIssuer: o.ServerIssuer, now: o.Now,
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

// Verify returns whom raw speaks for. The error is domain.ErrTokenExpired for
// a token that is good but for its exp, domain.ErrUnavailable if the key that
// it names cannot be looked up now, and otherwise domain.ErrUnauthenticated.
func (v *Verifier) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	if raw == "" || len(raw) > maxToken {
		return domain.Identity{}, domain.ErrUnauthenticated
	}
	claims := jwt.MapClaims{}
	parsed, err := v.signature.ParseWithClaims(raw, claims, v.key(ctx))
	switch {
	case errors.Is(err, errKeysAway):
		return domain.Identity{}, domain.ErrUnavailable.WithCause(err)
	case err != nil:
		return domain.Identity{}, domain.ErrUnauthenticated.WithCause(err)
	}
	_, bySecret := parsed.Method.(*jwt.SigningMethodHMAC)
	id, err := v.identity(claims, bySecret)
	if err != nil && !errors.Is(err, domain.ErrTokenExpired) {
		return domain.Identity{}, domain.ErrUnauthenticated.WithCause(err)
	}
	return id, err
}

// key chooses the key by the algorithm that the token names, so that neither
// kind of key can be used as the other.
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
