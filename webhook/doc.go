// Package webhook delivers events to the endpoints of the app's backend, as signed calls of
// Standard Webhooks.
//
// Every node runs a Deliverer. A webhook is delivered by the node that holds its lease, so
// that the events of a conversation stay in order. What is owed is in the store; a node that
// takes over goes on where the former one was.
//
// # What it promises
//
//   - Each event is sent until it was taken, or has failed at the last attempt: at least
//     once, and in order within a conversation.
//   - A webhook has its own calls in flight: an endpoint that is slow or away delays no
//     other one. A conversation that waits for its next attempt delays no other one either.
//   - An event is read from the log right before each attempt: the text of a recalled
//     message is not sent.
//   - Only public addresses are called, and those that are allowed. The address is checked
//     when it is dialled, after the name was resolved.
package webhook
