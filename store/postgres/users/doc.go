// Package users stores the state of users that is not derived from events: profiles,
// blocks, preferences, sessions and revocations, read positions, delivery receipts, and
// the time when a user was last seen.
package users
