// Package client is the Go client of the contract: one device of one user.
//
// A Client keeps a socket to one of several nodes and hands the events of all
// of the user's conversations to one callback. It promises:
//
//   - Once and in order. Within one life of a Store, each event of a
//     conversation is handed over once, in ascending seq and without a hole,
//     whatever the network does in between: what was not pushed is pulled, what
//     comes twice is dropped. Only a crash between a callback and the next save
//     of the positions repeats the last events; (conversation, seq) tells them.
//   - Sends arrive. Send returns once the message is committed or refused. Until
//     then it is sent again, with the same client_msg_id, over as many
//     connections as it takes, and messages to one conversation arrive in the
//     order in which Send was called.
//   - It comes back. Lost connections are made anew after a jittered delay, on
//     the next of the URLs; the close code decides whether a new token is needed
//     or whether to stop, and then Run returns the reason.
//   - It is bounded. Events that the callback is too slow for are left out and
//     pulled later; nothing else is held but one view of each conversation and
//     the sends that were not answered yet.
//
// A device that was never seen starts with the newest Options.History events of
// each conversation; older ones are there on request, see Client.Messages.
package client
