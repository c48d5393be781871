// Package rebuild compares the projections of the log with domain.Fold and repairs
// what differs (I7), while nodes append.
//
// A comparison reads one conversation in one snapshot, without locks. A repair writes
// in short transactions. Each locks the head of the conversation as an append does,
// folds what was appended since the comparison, and then writes up to 1,000 rows, so
// that every row it writes is current at that moment. A repaired conversation gets a
// version below zero, which no cache has.
//
// Values that users write and that are no projection (preferences, read positions,
// blocks) are left as they are, but brought within their bounds.
package rebuild
