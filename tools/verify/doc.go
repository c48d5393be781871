// Package verify proves the delivery guarantees of a running cluster. It
// simulates users with several devices each. They send, reconnect, read slowly,
// and change devices and groups, over WebSocket and REST. At the end it reads
// the whole log and checks I1–I6 and I8 against what the clients saw.
//
// It uses neither code of the server nor package client. That package repairs gaps
// and duplicates, and so would hide a breach. The sockets, frames and rules here are
// written from the contract alone.
package verify
