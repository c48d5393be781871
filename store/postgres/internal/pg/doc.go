// Package pg is the base of the packages of store/postgres: connections and their
// settings, the translation of errors, the epoch, transaction snapshots and cursors.
//
// # Connections
//
// ParseURL sorts what the URL of the operator says: what the driver does by itself, what
// the session of the server needs, and what the store cannot honour, which is refused by
// name. The startup packet has only what poolers accept there.
//
// Each new connection is prepared: one statement reads the defaults of the session,
// changes those that the store depends on (ownSettings), and shows whether a pooler is in
// between. CheckEpoch follows. After that, a session that belongs to the connection costs
// nothing: statements are prepared, and an append is one statement.
//
// A pooler may give the session to other clients between two transactions. A setting made
// there would leak, and be missing in the next transaction. So each transaction begins with
// a prelude, which sets everything for this transaction only, and fails on a server whose
// epoch was not checked. A pipeline makes prelude and statement one round trip.
//
// If the URL has several servers, locator finds the primary. ReadHistory may read from a
// replica, which has connections of its own.
package pg
