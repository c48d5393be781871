// Package search finds messages by their words.
//
// # The index
//
// search_messages is a projection of the log. It follows the feed, behind the append
// and never in its transaction, so searching costs appends nothing but server time.
// The nodes divide it into slots, which they write under leases with fencing tokens
// (indexer, search_slots). Where
// the feed does not reach back far enough, or the cutting into terms has changed, the
// index is built again from the whole log while it stays searchable.
//
// # What it promises
//
//   - I7: once the index has caught up, it equals the log.
//   - I8: a search returns messages only of conversations that the caller is in, and
//     only from the caller's floor on. A recalled message is not returned, even if the
//     index still has it.
//   - A search ends within 3 s, and only a bounded number run at once; otherwise the
//     error is domain.ErrUnavailable.
//
// docs/search.md describes the terms, the ranking and the limits.
package search
