// Package verify proves the delivery guarantees of a running cluster. It
// simulates users with several devices each. They send, reconnect, read slowly,
// and change devices and groups, over WebSocket and REST. At the end it reads
// the whole log and checks I1–I6 and I8 against what the clients saw.
//
// It uses no code of the server and not package client: that package heals what
// it finds, and so would hide a breach. Its sockets, frames and rules are
// written from the contract alone.
package verify
