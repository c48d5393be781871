// Package hook asks an endpoint of the app about each message and each edit of a user
// before it is accepted. It implements domain.Hook.
//
// # What it promises
//
//   - Calls overlap, and nothing waits for them but the message itself: no lock is held, no
//     transaction is open, and no committer waits.
//   - The messages of one sender go on in the order in which they came to this node,
//     however long each call takes. This covers the order of the sends of a socket.
//   - The endpoint is not asked about a message that is in the log already, nor about one
//     that will be refused in any case. The log answers these, and checks again what was
//     found out before.
//   - What waits is bounded in bytes, calls in number and time, answers in size.
//   - An endpoint that does not answer costs little: after a few failures, a circuit breaker
//     skips the calls, and lets one through each second to find out whether it is back.
//
// # What comes of a call
//
//	result      | cause                                               | breaker
//	accept      | the endpoint accepts                                | success
//	reject      | it rejects: the sender gets rejected, with a reason | success
//	replace     | it replaces the content                             | success
//	timeout     | no whole answer in time                             | failure
//	unreachable | no connection, or it broke                          | failure
//	unavailable | status 429, 502, 503 or 504                         | failure
//	status      | any other status but 2xx, so also a redirect        | success
//	invalid     | an answer that cannot be used                       | success
//	skipped     | the breaker is open                                 |
//	busy        | too many other calls were in flight for too long    |
//
// Those from timeout on are failed calls: the setting says whether the message is accepted
// as it is, or gets unavailable. An endpoint that fails on single messages does not open the
// breaker, so that no user can have the messages of others skipped by sending such ones.
package hook
