// Package strictjson reads JSON from outside the way the contract demands:
// nothing is repaired, replaced or ignored. encoding/json turns invalid UTF-8
// and unpaired surrogates into U+FFFD, matches names whatever their case,
// keeps the last of two equal names and drops unknown ones; each of these
// would let two programs read the same request differently.
//
// Check judges a whole text once. Object then reads one object of it by name,
// gathers every complaint with its JSON pointer, and refuses the names that
// nobody asked for. Canonical brings equal values to equal bytes.
package strictjson
