package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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
	if exp, ok := claims["exp"].(float64); !ok || exp < 0 || exp > maxExpiry {
		return domain.Identity{}, errors.New("exp is required")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return domain.Identity{}, err
	}
	delete(claims, "exp")
	if err := v.claims.Validate(claims); err != nil {
		return domain.Identity{}, err
	}
	id := domain.Identity{
		Name: text(claims, "name"), Picture: text(claims, "picture"), Scope: text(claims, "scope"),
		Expires: domain.TimeOf(expires.Time),
	}
	if id.User, err = domain.ParseUserID("", text(claims, v.userClaim)); err != nil {
		return domain.Identity{}, fmt.Errorf("claim %s is not a user id", v.userClaim)
	}
	if _, bound := claims["device_id"]; bound {
		if id.Device, err = domain.ParseDeviceID("", text(claims, "device_id")); err != nil {
			return domain.Identity{}, errors.New("claim device_id is not a device id")
		}
	}
	if issued, err := claims.GetIssuedAt(); err == nil && issued != nil {
		id.Issued = domain.TimeOf(issued.Time)
	}
	id.Server = v.mayBeServer(claims, bySecret) && slices.Contains(strings.Fields(id.Scope), scopeServer)
	if v.now().After(expires.Add(Leeway)) {
		return domain.Identity{}, domain.ErrTokenExpired
	}
	return id, nil
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
