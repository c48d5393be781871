// Package appendlog appends to the log: it commits the commands of many callers in
// few transactions (group commit).
//
// # What it promises
//
//   - I1: the answer to a command comes after its commit. If the connection is lost
//     while a commit is under way, the committer looks the outcome up by the id of the
//     batch before it answers. If that takes too long, the answer is
//     domain.ErrUnavailable, never a guess.
//   - I2: the seqs of a conversation are 1…head in the order of commits.
//   - I3: one (conversation, sender, client_msg_id) is one event.
//   - I9: the queue and the caches are bounded in bytes, and no node holds a lock
//     while the server waits for that node.
//
// # How an append goes
//
// Commands wait in one queue. While a committer holds commands of a conversation it
// owns that conversation, which keeps them in order. A second committer joins in only
// when the first falls behind.
//
// A committer takes what was queued while its last transaction ran, decides it on
// cached states and writes the batch with one call of a PL/pgSQL function. That is
// better than a pipeline of BEGIN, locks, inserts and COMMIT for two reasons. Each
// statement of the function has a new snapshot, so the statements after the locks see
// what the former holders of the locks committed. And the server begins only when it
// has received the whole call, so a node that is stopped half-way through sending
// holds no lock; no timeout of the server would cover that. (A node can still stop
// between the call and the five bytes of the Sync message that follows in the same
// write.)
//
// A decision is taken on the state of a conversation at one version, and written only
// while the conversation still has that version. Otherwise all queued commands of the
// conversation are decided again, in their order. A command about one message also
// names the event that last edited or recalled the message, so an edit that races a
// recall never brings content back. The state of messages and reactions is read for
// each batch and never cached. Refusals, and commands that change nothing, are also
// checked against the stored version before they are answered: no command is refused
// because of a cache that is behind.
//
// # Who may call what
//
// All methods may be called from many goroutines. Run must run for Submit to be
// answered. Callbacks run on a committer: they must not block. All errors are
// *domain.Error.
package appendlog
