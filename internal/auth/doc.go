// Package auth checks bearer tokens and signs them.
//
// Tokens are JWTs (RFC 7519). The app's own backend signs them with a shared
// secret (HS256), or an identity provider signs them and publishes its keys as a
// JWK Set (RS256, ES256, EdDSA). The algorithm that a token names selects the
// kind of key, and nothing else does: a public key is never used as a secret, and
// the algorithm none is refused.
//
// What it promises:
//
//   - I8: a Verifier returns an identity only for a token whose signature, times,
//     issuer and audience are valid.
//   - Keys that cannot be fetched cost a bounded wait. Until then, tokens of known keys
//     stay valid.
//   - A StandingChecker refuses a revoked token, and the tokens of a banned user, at
//     most a second after that was committed. It is for single calls. Sessions do not use it: package realtime
//     reads both together with the rest of what a session needs.
package auth
