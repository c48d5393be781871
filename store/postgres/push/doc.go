// Package push keeps how devices get push notifications, and what each device is to be
// notified of.
//
// The holder of a lease follows the feed, and makes a lane of each conversation with new
// events. When a lane is due, some time after the commit, any node turns it into
// notifications: one row for each device and conversation, however many messages there are.
// Any node claims the rows that are due.
//
// # What it promises
//
//   - No message is overlooked: the position in the feed moves in the transaction that
//     writes the lanes, and a lane moves in the statement that writes the notifications. If
//     the feed does not reach back to the position, or a new epoch has begun, lanes are made
//     of the last minutes of all conversations.
//   - A row names seqs only. What is sent is read right before it is sent, so an erased text
//     is never sent, nor a message that was read or acknowledged in between.
//   - A claim ends by itself. Another node then claims the row; what the former one still
//     writes about it has no effect.
//   - What the package logs and returns as errors has no address of a device.
package push
