// Package verify proves the delivery guarantees against a running cluster: it
// plays many users with several devices each, who send, reconnect, read slowly,
// change devices and groups, over WebSocket and REST mixed; then it reads the
// whole log and judges by what the clients saw whether I1–I6 held.
//
// It judges with nothing of the server's own code and without package client,
// which heals and so would hide a breach: sockets, frames and rules are its own,
// written from the contract.
package verify
