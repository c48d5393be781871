// Package registry keeps in Redis which sessions live on which node, and answers from
// there where users are connected, whether they are online, and how large the cluster
// is.
//
// What is in Redis:
//
//	<prefix>:nodes        set of the known node ids
//	<prefix>:node:<id>    lease of a node; its value is the node's start (Unix ms)
//	<prefix>:user:<user>  hash, session id → "node device number epoch background connected"
//
// A node lives as long as its lease: heartbeats cost one command for each node, not for
// each session. Entries of nodes without a lease do not count and are removed when they
// are found. Each command and script uses one key, so that Redis Cluster works.
//
// The registry is a hint. While Redis is unreachable, sessions live all the same and are
// registered when it is back. A node that finds its lease gone was paused, or Redis lost
// its data; others may have removed its entries, so it continues under a new id and
// registers all its sessions again.
package registry
