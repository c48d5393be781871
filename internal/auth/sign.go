package auth

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

// Grant is what Sign puts into a token in addition to the user.
type Grant struct {
	TTL     time.Duration   // until exp; a negative one makes an expired token
	Server  bool            // makes a server token
	Device  domain.DeviceID // binds the token to a device; "" does not
	Name    string
	Picture string

	// The same as in Options: tokens need what the Verifier checks.
	UserClaim string
	Issuer    string
	Audience  string
}

// Sign returns a token for user, signed with the secret (HS256). It fails for a
// secret of less than MinSecret bytes and for an invalid user id.
func Sign(secret string, user domain.UserID, g Grant) (string, error) {
	if len(secret) < MinSecret {
		return "", fmt.Errorf("IM_JWT_SECRET must have at least %d bytes", MinSecret)
	}
	if _, err := domain.ParseUserID("/user", string(user)); err != nil {
		return "", err
	}
	if g.UserClaim == "" {
		g.UserClaim = DefaultUserClaim
	}
	now := time.Now()
	claims := jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(g.TTL).Unix()}
	if g.TTL < 0 {
		claims["iat"] = now.Add(2 * g.TTL).Unix()
	}
	scope := ""
	if g.Server {
		scope = scopeServer
	}
	for name, value := range map[string]string{
		g.UserClaim: string(user), "device_id": string(g.Device), "name": g.Name, "picture": g.Picture,
		"iss": g.Issuer, "aud": g.Audience, "scope": scope,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
}
