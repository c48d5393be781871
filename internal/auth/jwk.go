package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// key is one key of a JWK Set that can verify tokens.
type key struct {
	id     string // "" for none
	alg    string // that it is for; "" if the set does not say so
	public crypto.PublicKey
}

// fits reports whether the key may verify a token with a key id and an algorithm; "" is
// any. A key without an id may verify every token.
func (k key) fits(kid, alg string) bool {
	if kid != "" && k.id != "" && kid != k.id || alg != "" && k.alg != "" && alg != k.alg {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return alg == "" || alg == "RS256"
	case *ecdsa.PublicKey:
		return (alg == "" || alg == "ES256") && public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == "" || alg == "EdDSA"
	}
	return false
}

func idsOf(keys []key) []string {
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, k.id)
	}
	return ids
}

// decodeKeys decodes a JWK Set (RFC 7517). It leaves out keys that cannot verify tokens,
// and says why.
func decodeKeys(text []byte) (keys []key, unusable []string, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, nil, fmt.Errorf("it is not a JWK Set: %w", err)
	}
	for _, raw := range set.Keys {
		k, err := decodeKey(raw)
		if err != nil {
			unusable = append(unusable, fmt.Sprintf("%s: %v", quote(k.id), err))
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("it has no usable key: %q", unusable)
	}
	return keys, unusable, nil
}

// decodeKey decodes one key. With an error, only the id of the key counts.
func decodeKey(raw json.RawMessage) (key, error) {
	// Certificates and other members that a set may have are not read: what is wrong
	// with them does not make the key unusable.
	var members struct {
		KID string   `json:"kid"`
		KTY string   `json:"kty"`
		ALG string   `json:"alg"`
		USE string   `json:"use"`
		OPS []string `json:"key_ops"`
		CRV string   `json:"crv"`
		N   string   `json:"n"`
		E   string   `json:"e"`
		X   string   `json:"x"`
		Y   string   `json:"y"`
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return key{id: members.KID}, err
	}
	k := key{id: members.KID, alg: members.ALG}
	if members.USE != "" && members.USE != "sig" || len(members.OPS) > 0 && !slices.Contains(members.OPS, "verify") {
		return k, errors.New("it is not for signatures")
	}
	parsed, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{
		KTY: jwkset.KTY(members.KTY), CRV: jwkset.CRV(members.CRV), N: members.N, E: members.E, X: members.X, Y: members.Y,
	}, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return k, err
	}
	k.public = parsed.Key()
	if !slices.ContainsFunc(algorithms, func(alg string) bool { return k.fits(k.id, alg) }) {
		return k, fmt.Errorf("it is for none of the algorithms %q", algorithms)
	}
	return k, nil
}
