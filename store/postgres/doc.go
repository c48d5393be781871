// Package postgres keeps in PostgreSQL the log and everything else that must not be
// lost. A Store implements domain.Log and the reads of the other packages.
//
// # Where to look
//
// A Store is one pool of connections and the methods of its parts:
//
//   - appendlog appends: group commit of commands, creation of conversations.
//   - feed reads what was committed since a position, by any node, and the epoch.
//   - read answers reads of conversations: events, messages, lists, sync.
//   - users stores the state of users: profiles, blocks, preferences, sessions,
//     read positions, delivery receipts, last seen.
//   - search updates the search index from the log, and searches it.
//   - rebuild compares all projections with the fold of the log, and repairs them.
//   - internal/pg is their base: connections, errors, the epoch, cursors.
//   - internal/dataload batches concurrent lookups.
//
// This package opens and closes them, migrates the schema and deletes old rows.
//
// # What it promises
//
//   - I1: the answer to a command comes after its commit.
//   - I2: the seqs of a conversation are 1…head in the order of commits.
//   - I3: one (conversation, sender, client_msg_id) is one event.
//   - I5: Publish and Push are called only with committed events.
//   - I7: every projection equals the fold of the log.
//   - I8: reads return nothing of a conversation to users who are not in it.
//   - I9: queues and caches are bounded in bytes, and no node holds a lock while the
//     server waits for that node.
//
// # Locks
//
// Every statement locks rows in this order of tables, and by key within a table:
// conversations, members, message_states, device_cursors (migrations/0001_schema.sql).
// Each statement that locks is a transaction of its own, except the repairs of rebuild.
//
// # Concurrency
//
// A Store is safe for concurrent use. Submit is answered only while Run runs. Callbacks
// run on the goroutine of a committer: they must not block. All errors are *domain.Error.
package postgres
