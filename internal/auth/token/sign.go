package token

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"im/domain"
)

// Grant is what Sign puts into a token beside the user.
type Grant struct {
	TTL     time.Duration // until exp; negative for a token that has expired
	Server  bool          // a server token
	Device  domain.DeviceID
	Name    string
	Picture string

	// As in Options: where a Verifier asks for them, tokens have to bring them.
	UserClaim string
	Issuer    string
	Audience  string
}

// Sign returns a token for user, signed with the secret (HS256).
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
