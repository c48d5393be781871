// Package read answers the reads of conversations by clients and nodes: events, messages
// in their present or a past state, lists, members and the sync. It returns nothing of a
// conversation to users who are not in it, and nothing below a member's floor, which is
// the lowest seq that the member may read (I8).
package read
