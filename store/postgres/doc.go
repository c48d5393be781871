// Package postgres keeps the log, and everything that must not be lost, in
// PostgreSQL. It implements domain.Log and the reads of the other packages.
//
// # What it promises
//
//   - I1: an answer to a command comes after its commit. When the connection is
//     lost with a commit on its way, the outcome is looked up by the id of the
//     batch before anybody is answered; when that takes too long the answer is
//     domain.ErrUnavailable, never a guess.
//   - I2: the seqs of a conversation are 1…head in the order of commits.
//   - I3: one (conversation, sender, client_msg_id) is one event.
//   - I9: queues and caches are bounded in bytes, and no node holds a lock while
//     the server waits for that node.
//
// # How an append goes
//
// Commands wait in one queue, of which a conversation belongs to one committer at a
// time, and a second committer helps where the first cannot keep up. A committer
// takes what queued up while its last transaction ran, decides it on cached states
// and writes it with one call of im_append_1. That is a PL/pgSQL function, and
// not a pipeline of BEGIN, locks, inserts and COMMIT, for two reasons. Each
// statement inside has a new snapshot, so what comes after the locks sees what
// their former holders committed. And the server begins only when it has the
// whole call, so a node that is stopped half-way through sending holds no lock;
// no timeout of the server would cover that. (What remains is a stop after the
// call and before the five bytes of the Sync that leaves with it in one write.)
//
// A decision is taken on the state as of a version, and written only while the
// conversation still has that version; otherwise all queued commands of that
// conversation are decided anew, in their order. A command about one message also
// names the event that last edited or recalled it, so that an edit which races a
// recall never brings content back; and reactions, whether they were there. That
// is read for each batch and never cached. Refusals, and commands that change
// nothing, are checked against the stored version as well before they are
// answered: a cache that is behind refuses nobody.
//
// Rows are locked in this order everywhere, and by key within a table:
// conversations, members, device_cursors. Everything that locks is one statement
// in a transaction of its own.
//
// # How sessions begin
//
// What each session reads that begins is asked through a gatherer: one alone has a
// query at once, and those who come while two are under way go together in the next,
// as commands do. An answer is of a query that began after it was asked for: who
// registers first and reads second still misses nothing.
//
// # Messages
//
// What a message says is in the log alone: its posting and its last edit. A recall
// erases both in the transaction that appends it, so whoever reads, the past
// included, finds nothing there. Beside the log are kept which messages were edited
// or recalled, who reacted with what, what is pinned, and who is mentioned: all of
// it equals the fold of the log (I7).
//
// Rebuild compares all projections with domain.Fold, and repairs what differs, while
// others append. What it repairs is given a version below zero, which no cache has.
//
// # Search
//
// search_messages follows the feed, behind the append and never in its transaction.
// One node at a time writes it, under the number of its turn (indexer); it is built
// anew from the log wherever the feed does not reach (docs/search.md).
//
// # Who may call what
//
// All methods may be called from many goroutines. Run must run for Submit to be
// answered. Callbacks run on a committer: they must not block. All errors are
// *domain.Error.
package postgres
