// Package pace limits how often users and addresses connect, send and read on
// one node. Only cmd/im wires it; realtime and rest see it as what they ask
// before they do something.
//
// A limit is a token bucket for each user or address: so many a second, so many
// at once. Nothing is limited unless it is set, and what is not set costs
// nothing. Nodes do not know of one another: with n nodes a client that spreads
// itself gets n times as much.
//
// It promises to be bounded (I9): a limit remembers maxBuckets who came last, at
// 64 bits each, and forgets those who have not come for the longest time. Who is
// forgotten begins anew with a full bucket: so a limit of addresses does not hold
// who has more than maxBuckets of them. IPv6 counts by /64, which is what a
// single subscriber has.
package ratelimit
