// Package users keeps what belongs to users and is no event: profiles, blocks,
// preferences, sessions and revocations, read positions, delivery receipts and when a
// user was last seen.
package users
