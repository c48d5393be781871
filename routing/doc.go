// Package routing brings what one node has committed, or wants to tell live
// sessions, to the nodes that hold the sessions: Redis is the map, the broker
// (RabbitMQ, or Watermill's in-process pub/sub) is the fast path.
//
// Everything here is a hint. The log is the truth, and every node reads its
// tail once a second; so whatever is lost, late or refused on this path is
// repaired from there, and nothing on this path ever waits for anybody:
//
//   - I5, true: only committed batches enter (Publish and Push are called after
//     the commit), and bodies travel as the bytes that were committed.
//   - I6, complete in milliseconds normally: the own node is served at once or from
//     its own queue, whatever Redis and the broker do; other nodes by one message a
//     batch to each that has a member, or by the fanout when Redis does not
//     answer or the conversation is too large to look up.
//   - I4, in order, as far as a fast path can: what Publish and Push got for one
//     conversation reaches each node in that order, or not at all.
//   - I9, bounded: every queue and cache has a limit in bytes or entries. What
//     does not fit is dropped and counted.
//
// A Node is built by the wiring of the program and run by its errgroup. The
// store calls Publish and Push, realtime calls Signal, Register and Unregister, and
// implements Local. Adapters do not import one another: routing knows the
// domain, Redis and Watermill only.
package routing
