// Package token tells who a bearer token speaks for.
//
// Tokens are JWTs (RFC 7519) of the app's own backend, signed with a shared
// secret (HS256), or of an identity provider that publishes its keys as a JWK
// Set (RS256, ES256, EdDSA). The algorithm that a token names decides which of
// the two may judge it, and nothing else: a public key is never used as a
// secret, and alg none is nobody's.
//
// The package promises that a Verifier hands out an identity only for a token
// whose signature, times, issuer and audience were checked (I8), and that
// keys which cannot be fetched cost a bounded wait and no tokens that known
// keys can judge.
package token
