// Package registry keeps in Redis which sessions live on which node, and answers from
// there where users are connected, whether they are online, and how large the cluster
// is.
//
// What is in Redis:
//
//	<prefix>:nodes        set of the known node ids
//	<prefix>:node:<id>    lease of a node; its value is the node's start (Unix ms)
//	<prefix>:user:<user>  hash, session id → "node device number epoch background connected"
//	<prefix>:marker:…     of a node, one on each master of a Redis Cluster
//
// A node lives as long as its lease: heartbeats cost one command for each node, not for
// each session. Entries of nodes without a lease do not count and are removed when they
// are found.
//
// Redis is one server, the master that Sentinels name, or a Redis Cluster. Each command
// and script uses one key, so that it has one slot. A node registers all its sessions
// again when Redis may lack some: after a failed refresh, when a connection ended or
// leads to another server, when a marker is gone, and once a minute. It uses few
// commands, which docs/redis-rabbitmq.md lists, and says in Ready what is wrong.
//
// The registry is a hint. While Redis is unreachable, sessions live all the same and are
// registered when it is back. A node that finds its lease gone was paused, or Redis lost
// its data; others may have removed its entries, so it continues under a new id and
// registers all its sessions again.
package registry
