// Package read answers what clients and nodes read of conversations: events, messages
// as they stand or stood, lists, members and the sync. Reads return nothing to users
// who are not in a conversation, and nothing below a member's floor (I8).
package read
