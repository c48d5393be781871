// Package routing brings what one node has committed, and signals to live sessions, to
// the nodes that hold the sessions. Package registry finds those nodes in Redis, and
// package broker carries messages to them.
//
//	              ┌─ local delivery ───────────────────────────────▶ hub of this node
//	commits ──────┤
//	and signals   └─ source: Redis ─▶ handler "dispatch" ─▶ broker ─▶ other nodes
//	                 broker ─▶ handler "deliver" ──────────────────▶ hub of this node
//
// The handlers belong to a Watermill router. Everything here is a hint: the log is the
// truth, and every node reads its tail once a second. The tail repairs what is lost,
// late or refused on this path, so nothing on it waits for anything else:
//
//   - I5, true: only committed events enter. Publish and Push are called after the
//     commit, and bodies travel as the bytes that were committed.
//   - I6, complete, normally within milliseconds: this node's hub has a queue of its
//     own, whatever Redis and the broker do. Other nodes get one message for each batch
//     in which one of their users is concerned, or a broadcast if Redis does not answer or
//     the conversation is too large to look up.
//   - I4, in order: what Publish and Push get for one conversation reaches each node in
//     that order, or not at all.
//   - I9, bounded: every queue and cache has a limit in bytes or entries. What does not
//     fit is dropped and counted.
//
// The program that wires the packages builds a Node and runs it. The store calls Publish
// and Push. Package realtime calls Signal, Register and Unregister, and its hub
// implements Hub. Adapters do not import one another: routing knows the domain, Redis
// and Watermill only.
package routing
