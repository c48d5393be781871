// Package realtime holds the live sessions of one node: the Gateway speaks the
// WebSocket protocol of contract v1, section 3, the Hub pushes what is
// committed. Only cmd/im wires it; what it needs of others it declares itself.
//
// What it promises, as far as the log keeps its own promises:
//
//   - I4: per session and conversation, events ascend without a hole from
//     welcome on; a reader that is too slow gets one gap instead, and the stream
//     goes on behind it. A hole in what reaches the hub is filled from the log.
//   - I5: nothing is pushed that was not handed over as committed or read from
//     the log.
//   - I6: what the feed of commits names is pushed, even if nothing else told of
//     it. What is committed after a session's welcome is pushed to it; what was
//     committed before is in its sync. Who is added while connected is told of
//     the conversation, then of every event from the joining on.
//   - I8: member.removed is the last that a user gets of a conversation; whom a
//     view does not show as a member gets nothing.
//     No session begins with a token that has been revoked, and who revokes ends
//     those there are.
//   - I9: what waits for a socket is bounded in bytes, and so are the requests
//     that it has in flight. A hole keeps no events in memory: the hub notes how
//     far the log has come, and reads. A slow reader costs itself only; under
//     the hub's locks there is no reading and no writing, only queueing.
//
// Typing, receipts and presence are not logged: they are told at most once, only
// to who may know (I8), and given up first. Presence is a cache of the registry:
// whoever is watched is looked at when a node announces a change, for some
// seconds after a node has died or Redis was away, and once a minute anyway; so
// it is late at worst, and never stuck.
//
// The index of the hub is: user → sessions, and conversation → (local members,
// last seq pushed). An event is applied under the lock of its conversation's
// shard: pushed to the members, and then, if it lets somebody in or out, to the
// membership. So everybody sees the events of a conversation in one order.
package realtime
