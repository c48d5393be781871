// Package devservices runs the services of a cluster for `im dev`: a PostgreSQL server
// in a process of its own and a Redis in memory. Nothing has to be installed or
// configured first.
//
// The PostgreSQL is a real server with its usual durability: committed data survives
// Ctrl-C, kill -9 and a restart of the machine. It listens on a Unix socket that only
// its user can reach and on no port, so it conflicts with no other server. It also works
// for root, although PostgreSQL refuses to run as root: see identity. A data folder
// serves one process at a time; Open returns ErrInUse to a second one.
//
// The Redis keeps nothing between runs. The registry of sessions does not need it.
package devservices
