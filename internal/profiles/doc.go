// Package profiles keeps the profiles of users up to date with their tokens: the
// claims name and picture become the user's name and avatar.
//
// What it promises:
//
//   - Recording an identity never blocks a call. Claims that are already recorded
//     cost a look into a cache; new ones are written later, in batches.
//   - Memory is bounded (I9): at most maxPending users wait to be written, and the
//     claims of at most maxRecorded users are cached.
//   - Claims that could not be written are recorded again with the user's next
//     token.
package profiles
