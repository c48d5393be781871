// Package embedded runs what a cluster has as services inside, or beside, one
// process: a PostgreSQL server of its own and a Redis in memory. It is for
// `im dev`, so that there is nothing to install or to configure first.
//
// The PostgreSQL is a real one, with the durability of a real one: what was
// committed is there after Ctrl-C, kill -9 and a restart of the machine. It
// listens on a Unix socket that only its user can reach, and on no port, so it
// collides with nothing. It works for root too, whom PostgreSQL refuses: see
// identity. One data folder serves one process at a time; a second one is told
// so (ErrInUse).
//
// The Redis keeps nothing between runs, as the registry of sessions needs nothing.
package devservices
