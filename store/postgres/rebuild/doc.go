// Package rebuild compares the projections of the log with domain.Fold and repairs
// what differs (I7), while nodes append.
//
// A comparison reads one conversation in one snapshot, without locks. A repair writes
// in short transactions. Each locks the head of the conversation as an append does,
// folds what was appended since the comparison, and then writes up to 1,000 rows, so
// that every row it writes is current at that moment. A repaired conversation gets a
// version below zero, which no cache has.
//
// Preferences, read positions and blocks are not projections. A repair leaves their
// values, but brings them within their bounds.
package rebuild
