package auth

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

// scopeServer is the item of the claim scope that makes a server token.
const scopeServer = "server"

// maxExpiry is the last second that RFC 3339 can express. Later ones are refused.
const maxExpiry = 253402300799 // 9999-12-31T23:59:59Z

// identity reads the claims of a token with a valid signature. It checks exp
// last, so that domain.ErrTokenExpired means that everything else is valid.
func (v *Verifier) identity(claims jwt.MapClaims, bySecret bool) (domain.Identity, error) {
	expires, err := expiry(claims)
	if err != nil {
		return domain.Identity{}, err
	}
	if err := v.checkIssuer(claims); err != nil {
		return domain.Identity{}, err
	}
	delete(claims, "exp")
	if err := v.claims.Validate(claims); err != nil {
		return domain.Identity{}, v.explainClaims(claims, err)
	}
	id := domain.Identity{
		Name: text(claims, "name"), Picture: text(claims, "picture"), Scope: text(claims, "scope"),
		Expires: domain.TimeOf(expires),
	}
	user, err := readID(claims, v.userClaim, "a user id", func(s string) (err error) {
		id.User, err = domain.ParseUserID("", s)
		return err
	})
	if err != nil {
		return domain.Identity{}, err
	}
	if !user {
		return domain.Identity{}, refuse(checkClaims, "the claim %s, which holds the user id (IM_JWT_USER_CLAIM), is missing", v.userClaim)
	}
	if _, err := readID(claims, "device_id", "a device id", func(s string) (err error) {
		id.Device, err = domain.ParseDeviceID("", s)
		return err
	}); err != nil {
		return domain.Identity{}, err
	}
	if issued, err := claims.GetIssuedAt(); err == nil && issued != nil {
		id.Issued = domain.TimeOf(issued.Time)
	}
	id.Server = v.mayBeServer(claims, bySecret) && slices.Contains(strings.Fields(id.Scope), scopeServer)
	if now := v.now(); now.After(expires.Add(Leeway)) {
		return domain.Identity{}, refuse(checkExpiry, "the token expired at %s (exp); the clock of this node says %s", clock(expires), clock(now))
	}
	return id, nil
}

// expiry returns the claim exp.
func expiry(claims jwt.MapClaims) (time.Time, error) {
	value, there := claims["exp"]
	if !there {
		return time.Time{}, refuse(checkClaims, "the claim exp is missing: a token must have an end")
	}
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, refuse(checkClaims, "the claim exp is not a number of seconds since 1970")
	}
	if seconds, err := number.Float64(); err != nil || seconds < 0 || seconds > maxExpiry {
		return time.Time{}, refuse(checkClaims, "the claim exp is out of range: it counts seconds since 1970, not milliseconds")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return time.Time{}, refuse(checkClaims, "the claim exp is not a number of seconds since 1970").because(err)
	}
	return expires.Time, nil
}

func (v *Verifier) checkIssuer(claims jwt.MapClaims) error {
	if len(v.issuers) == 0 {
		return nil
	}
	issuer, ok := claims["iss"].(string)
	switch {
	case !ok:
		return refuse(checkIssuer, "the claim iss is missing; IM_JWT_ISSUER requires %s", oneOf(v.issuers))
	case slices.Contains(v.issuers, issuer):
		return nil
	}
	hint := ""
	for _, required := range v.issuers {
		if strings.TrimRight(required, "/") == strings.TrimRight(issuer, "/") {
			hint = ": they differ in the slash at the end"
		}
	}
	return refuse(checkIssuer, "the claim iss is %s; IM_JWT_ISSUER requires %s%s", quote(issuer), oneOf(v.issuers), hint)
}

// explainClaims returns why the library refused the claims aud, nbf or iat.
func (v *Verifier) explainClaims(claims jwt.MapClaims, err error) error {
	now := clock(v.now())
	switch {
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		if at, _ := claims.GetNotBefore(); at != nil {
			return refuse(checkTimes, "the token is not valid before %s (nbf); the clock of this node says %s", clock(at.Time), now)
		}
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		if at, _ := claims.GetIssuedAt(); at != nil {
			return refuse(checkTimes, "the token was issued in the future, at %s (iat); the clock of this node says %s", clock(at.Time), now)
		}
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		audience, _ := claims.GetAudience()
		switch claims["aud"].(type) {
		case nil, string, []any:
		default:
			return refuse(checkAudience, "the claim aud is neither a string nor a list of strings")
		}
		if len(audience) == 0 {
			return refuse(checkAudience, "the claim aud is missing; IM_JWT_AUDIENCE requires %s", oneOf(v.audiences))
		}
		return refuse(checkAudience, "the claim aud is %s; IM_JWT_AUDIENCE requires %s", quoteAll(audience), oneOf(v.audiences))
	}
	return refuse(checkClaims, "one of the claims nbf, iat and aud is not of its type").because(err)
}

// readID reads a claim that holds an id: a string, or a JSON integer, which stands for
// its decimal digits. It reports whether the token has the claim.
func readID(claims jwt.MapClaims, name, kind string, parse func(string) error) (there bool, err error) {
	value, there := claims[name]
	if !there {
		return false, nil
	}
	var id string
	switch value := value.(type) {
	case string:
		id = value
	case json.Number:
		if id = value.String(); !isInteger(id) {
			return true, refuse(checkClaims, "the claim %s is a number that is not written as an integer; a string is safer", name)
		}
	default:
		return true, refuse(checkClaims, "the claim %s is neither a string nor an integer", name)
	}
	if err := parse(id); err != nil {
		if invalid, ok := errors.AsType[*domain.Error](err); ok {
			return true, refuse(checkClaims, "the claim %s is not %s: it %s", name, kind, invalid.Fields[""])
		}
		return true, refuse(checkClaims, "the claim %s is not %s", name, kind).because(err)
	}
	return true, nil
}

// isInteger reports whether a JSON number is an integer in its only form: without a
// fraction or an exponent, and not -0.
func isInteger(number string) bool {
	return number != "-0" && strings.Trim(number, "-0123456789") == ""
}

// mayBeServer reports whether the signer of a token may make server tokens.
func (v *Verifier) mayBeServer(claims jwt.MapClaims, bySecret bool) bool {
	if bySecret {
		return true
	}
	return v.serverIssuer != "" && text(claims, "iss") == v.serverIssuer
}

// text returns a claim that is a string; "" if it is missing or not a string.
func text(claims jwt.MapClaims, name string) string {
	s, _ := claims[name].(string)
	return s
}
