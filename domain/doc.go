// Package domain is what the system is about, free of any technology: the
// events of a conversation, the commands that lead to them, the decisions, and
// the shapes in which others see the result. It uses the standard library only.
//
// A command is decided on a Conversation, a state in memory, into drafts of
// events; the Log gives them seq and time and stores them, or has the command
// decided anew when the state has changed meanwhile. Decide and Apply are pure,
// so every rule of the contract about who may do what is tested here without a
// database.
//
// Adapters (store/postgres, routing, realtime, rest) import this package and
// never each other. Errors to the outside are *Error, with a code of the
// contract.
package domain
