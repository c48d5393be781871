// Package ratelimit limits how often users and addresses connect, send and read
// on one node.
//
// A limit is a token bucket for each user or address: a rate, and a burst after
// a pause. A rate that is not set limits nothing and costs nothing. Nodes do not
// share their counts: with n nodes, a client that uses all of them gets n times
// the rate.
//
// Memory is bounded (I9): a limit keeps the maxBuckets buckets that were used
// last. A bucket that was dropped starts full again, so a client with more than
// maxBuckets addresses evades a limit of addresses. IPv6 addresses count by /64,
// which is what one subscriber has.
package ratelimit
