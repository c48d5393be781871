// Package hub holds the live sessions of one node and pushes to them what is
// committed.
//
// Its index is: user → sessions, and conversation → local members and the last
// seq pushed. An event is applied under the lock of its conversation's shard:
// it is queued for the local members, and then, if it adds or removes a member,
// applied to the membership. So all sessions see the events of a conversation
// in one order.
//
// Events reach the hub in two ways: Push hands over what was just committed, in
// any order and possibly more than once; the tail of the commit feed names
// every conversation that has grown. The tail is the safety net: the hub reads
// from the log whatever Push did not deliver.
//
// What it promises, provided that the log keeps its own promises:
//
//   - I4: per session and conversation, events ascend without a hole from the
//     welcome on. A reader that is too slow gets one gap instead, and events go
//     on after it. A hole in what reaches the hub is filled from the log.
//   - I5: nothing is pushed that was not handed over as committed or read from
//     the log.
//   - I6: everything that the commit feed names is pushed, even if Push was
//     never called for it. What is committed after a session's welcome is pushed
//     to it; what was committed before is in its sync. A user who is added while
//     connected gets the conversation, then every event since the joining; or, if
//     removed before the hub has read the conversation, a gap and the removal.
//   - I8: member.removed is the last event that a removed user receives. An
//     added user receives nothing but the removal unless the loaded view lists
//     it as a member. No session begins with a revoked token.
//   - I9: a hole keeps no events in memory: the hub notes how far the log has
//     come and reads. Under its locks the hub does no I/O, it only queues
//     frames, so a slow reader delays no other.
//
// Locks are taken in this order: epochMu, shard, users, user, SendQueue.
package hub
