// Package presence handles what is not logged: who is online, who was last seen
// when, who is typing, and receipts. All of it is delivered at most once, only to
// those who may know it (I8), and is the first to be dropped for a slow reader.
//
//   - Lookup answers who is online: visibility from the store, sessions from the
//     registry.
//   - Watches holds which session watches which users. Refresher looks them up
//     and sends what has changed. The registry is the truth, and what was sent is
//     a cache of it: a user is looked up when a node announces a change, again
//     for some seconds after a mass change (a node died, Redis was away), and
//     once a minute anyway. So a presence may be late, but is never stuck.
//   - LastSeen writes behind when users were online.
//   - Typing relays who is typing, at most once a second per typist.
//   - Receipts sends how far others have read, at most once a second.
package presence
