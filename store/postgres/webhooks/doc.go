// Package webhooks keeps webhooks, and what each of them is owed.
//
// A webhook has a position of its own in the feed, and the node that holds its lease turns
// commits into lanes: one row for each conversation that owes something, however much that
// is. A lane names seqs only; the bodies are read from the log when they are sent, so that
// an erased text is never sent. A lane is deleted when nothing is owed.
//
// # What it promises
//
//   - Nothing is skipped: the position moves in the transaction that writes the lanes. If
//     the feed does not reach back to the position, or a new epoch has begun, the holder
//     makes lanes of all events since the time of the position, from the log.
//   - A lane moves only from the place that its sender has read. A node that has lost its
//     lease may repeat a call, but changes nothing that another node has written.
package webhooks
