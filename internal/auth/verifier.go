package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
	"im/internal/edge"
)

const (
	// Leeway is how far the clocks of issuer and verifier may differ.
	Leeway = 30 * time.Second
	// MinSecret is the minimum size of a secret in bytes.
	MinSecret = 32
	// MaxToken is the maximum size of a token in bytes. Tokens of identity
	// providers are much smaller.
	MaxToken = 16 << 10
	// DefaultUserClaim is the default of Options.UserClaim.
	DefaultUserClaim = "sub"
)

// algorithms are those that tokens may be signed with.
var algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

// Options configure which tokens are valid. Secret, JWKSURLs or both are required.
type Options struct {
	Secret       string         // IM_JWT_SECRET: for HS256, at least MinSecret bytes
	JWKSURLs     []string       // IM_JWKS_URL: http or https; for RS256, ES256 and EdDSA
	JWKSRoots    *x509.CertPool // IM_JWKS_CA_FILE: authorities of the certificates; those of the system if nil
	UserClaim    string         // IM_JWT_USER_CLAIM: the claim with the user id; the default is DefaultUserClaim
	Issuers      []string       // IM_JWT_ISSUER: iss must be one of them; not checked if empty
	Audiences    []string       // IM_JWT_AUDIENCE: aud must have one of them; not checked if empty
	ServerIssuer string         // IM_JWT_SERVER_ISSUER: the iss of JWK Set tokens that may be server tokens; none if empty

	// Verified is called with the identity of every valid token. It must not block.
	Verified func(domain.Identity)
	// Client fetches the JWK Sets; the default has a timeout of 5 s and JWKSRoots.
	Client *http.Client
	// Now is the clock; the default is time.Now.
	Now func() time.Time
	// Logger gets refusals, and failed fetches of a JWK Set; the default is slog.Default.
	Logger *slog.Logger
}

// Verifier checks tokens. It may be used concurrently.
type Verifier struct {
	secret       []byte
	keys         keySets
	userClaim    string
	issuers      []string
	audiences    []string
	serverIssuer string
	now          func() time.Time
	verified     func(domain.Identity)
	signature    *jwt.Parser
	claims       *jwt.Validator
	log          *edge.Refusals
}

// New returns a Verifier, or an error that names the setting at fault. It does
// not fetch the JWK Sets; the first token that needs them does.
func New(o Options) (*Verifier, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	checks := []jwt.ParserOption{jwt.WithLeeway(Leeway), jwt.WithIssuedAt(), jwt.WithTimeFunc(o.Now)}
	if len(o.Audiences) > 0 {
		checks = append(checks, jwt.WithAudience(o.Audiences...))
	}
	return &Verifier{
		secret: []byte(o.Secret), keys: newKeySets(o), userClaim: o.UserClaim, serverIssuer: o.ServerIssuer,
		issuers: o.Issuers, audiences: o.Audiences, now: o.Now, verified: o.Verified, log: edge.NewRefusals(o.Logger),
		// Numbers stay as they are written: a user id may have more digits than a float.
		signature: jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding(), jwt.WithJSONNumber(), jwt.WithValidMethods(algorithms)),
		claims:    jwt.NewValidator(checks...),
	}, nil
}

func (o *Options) setDefaults() {
	if o.UserClaim == "" {
		o.UserClaim = DefaultUserClaim
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Verified == nil {
		o.Verified = func(domain.Identity) {}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.JWKSURLs, o.Issuers, o.Audiences = trimmed(o.JWKSURLs), trimmed(o.Issuers), trimmed(o.Audiences)
}

// trimmed returns the elements of a list without space around them, and without empty
// ones.
func trimmed(list []string) (elements []string) {
	for _, text := range list {
		if text = strings.TrimSpace(text); text != "" {
			elements = append(elements, text)
		}
	}
	return elements
}

func (o *Options) check() error {
	switch {
	case o.Secret == "" && len(o.JWKSURLs) == 0:
		return errors.New("IM_JWT_SECRET or IM_JWKS_URL is required")
	case o.Secret != "" && len(o.Secret) < MinSecret:
		return fmt.Errorf("IM_JWT_SECRET must have at least %d bytes", MinSecret)
	case o.ServerIssuer != "" && len(o.JWKSURLs) > 1:
		return errors.New("IM_JWT_SERVER_ISSUER takes one IM_JWKS_URL: with several, each of them could sign for that issuer")
	}
	for _, text := range o.JWKSURLs {
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("IM_JWKS_URL must be an http or https URL, or several with commas between them")
		}
	}
	return nil
}

// Verify returns the identity in a token. It fails with domain.ErrTokenExpired
// if only exp is not valid, with domain.ErrUnavailable if the token's key cannot
// be fetched now, and otherwise with domain.ErrUnauthenticated. The message of the
// error says which check failed.
func (v *Verifier) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	id, err := v.verify(ctx, raw)
	if refused, ok := errors.AsType[*refusal](err); ok {
		args := []any{"check", refused.check, "reason", refused.reason}
		if refused.cause != nil {
			args = append(args, "error", refused.cause)
		}
		v.log.Log(ctx, refused.check, "a token was refused", args...)
		return domain.Identity{}, refused.coded()
	}
	if err != nil {
		return domain.Identity{}, err
	}
	v.verified(id)
	return id, nil
}

func (v *Verifier) verify(ctx context.Context, raw string) (domain.Identity, error) {
	if err := checkShape(raw); err != nil {
		return domain.Identity{}, err
	}
	began, version := v.now(), v.keys.version()
	token, claims, err := v.parse(ctx, raw, began)
	// The issuer may have replaced a key and kept its id, or uses no ids.
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) && isAllowed(token) && !isBySecret(token) && v.keys.renew(ctx, began) != version {
		token, claims, err = v.parse(ctx, raw, began)
	}
	if err != nil {
		return domain.Identity{}, v.explain(token, err)
	}
	return v.identity(claims, isBySecret(token))
}

func (v *Verifier) parse(ctx context.Context, raw string, began time.Time) (*jwt.Token, jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	token, err := v.signature.ParseWithClaims(raw, claims, v.key(ctx, began))
	return token, claims, err
}

// checkShape refuses what cannot be a token.
func checkShape(raw string) error {
	parts := strings.Count(raw, ".") + 1
	switch {
	case raw == "":
		return refuse(checkForm, "the token is empty")
	case len(raw) > MaxToken:
		return refuse(checkForm, "the token has %d bytes; at most %d are allowed", len(raw), MaxToken)
	case parts == 5:
		return refuse(checkForm, "the token is encrypted (it has 5 parts); a signed one is required")
	case parts != 3:
		return refuse(checkForm, "the token is not a JWT: it has %d instead of 3 parts with dots between them", parts)
	}
	return nil
}

// explain returns why a token cannot be parsed or its signature is not valid. token is
// what was parsed of it; it may be nil.
func (v *Verifier) explain(token *jwt.Token, err error) error {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}
	if errors.Is(err, errKeysUnavailable) {
		return domain.ErrUnavailable.WithMessage("the token cannot be checked at the moment: the keys of IM_JWKS_URL cannot be fetched").WithCause(err)
	}
	switch {
	case token == nil || errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(checkForm, "the token is not a JWT: its header or its claims cannot be decoded").because(err)
	case !isAllowed(token):
		alg, _ := token.Header["alg"].(string)
		return refuse(checkAlgorithm, "the algorithm (alg) of the token is %s; %s are allowed", quote(alg), strings.Join(algorithms, ", ")).because(err)
	case isBySecret(token):
		return refuse(checkSignature, "the signature of the token does not fit IM_JWT_SECRET").because(err)
	}
	if kid, ok := token.Header["kid"].(string); ok {
		return refuse(checkSignature, "the signature of the token does not fit the key %s of IM_JWKS_URL", quote(kid)).because(err)
	}
	return refuse(checkSignature, "the signature of the token fits no key of IM_JWKS_URL").because(err)
}

func isAllowed(token *jwt.Token) bool {
	return token != nil && token.Method != nil && slices.Contains(algorithms, token.Method.Alg())
}

func isBySecret(token *jwt.Token) bool {
	_, bySecret := token.Method.(*jwt.SigningMethodHMAC)
	return bySecret
}

// key selects the key by the algorithm that the token names, so that a secret is
// never used as a public key and the other way round.
func (v *Verifier) key(ctx context.Context, began time.Time) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		if _, there := t.Header["crit"]; there {
			return nil, refuse(checkForm, "the token has critical header fields (crit), which are not supported") // RFC 7515, 4.1.11
		}
		if t.Method.Alg() == jwt.SigningMethodHS256.Alg() {
			if len(v.secret) == 0 {
				return nil, refuse(checkAlgorithm, "the token is signed with a secret (HS256), and IM_JWT_SECRET is not set")
			}
			return v.secret, nil
		}
		if len(v.keys) == 0 {
			return nil, refuse(checkAlgorithm, "the token is signed with a key (%s), and IM_JWKS_URL is not set", t.Method.Alg())
		}
		kid, there := t.Header["kid"]
		id, ok := kid.(string)
		if there && !ok {
			return nil, refuse(checkForm, "the key id (kid) of the token is not a string")
		}
		return v.keys.find(ctx, id, t.Method.Alg(), began)
	}
}
