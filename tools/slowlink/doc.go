// Package narrow connects with little room, at either end, for what is not read: so
// that a peer who writes notices soon that nobody reads.
package slowlink

// room is how many bytes the system keeps of what is not read.
const room = 16 << 10
