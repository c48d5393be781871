// Package domain holds the rules of the system, free of any technology: the events
// of a conversation, the commands that lead to them, the decisions, and the views
// that clients get of the result. Beside the standard library it uses only
// internal/strictjson.
//
// Chat makes a Command of each request to change a conversation. The Log calls Decide
// with the state, a Conversation in memory. Decide returns drafts of events. The Log
// assigns seq and time to the drafts and stores them. If the state has changed since it
// was loaded, the Log calls Decide again. Decide and Apply are pure, so the contract's
// rules of permission are tested here without a database.
//
//	Chat ──check──▶ Command ──Log.Submit──▶ Decide(Conversation) ──▶ []Draft ──▶ []Event
//
// What is where:
//
//   - commands and decisions: Chat, Post, Creation, Changes, Edit, and the Command
//     types behind them (post.go, members.go, update.go, edit.go, marks.go)
//   - state: Conversation, the input of Decide, and Fold, the projection of a whole
//     log that stored projections are compared with
//   - events: Event, EventType, and the bodies (body.go)
//   - read models: ConversationView, Message, Profile and the pages of them; plain
//     data that a store fills in
//   - live data that no log holds: Signal, Presence, SessionEntry, Receipt
//   - encoding: encode*.go, and time.go for times
//
// The package uses no I/O, clock or goroutines, with two exceptions. Chat reads the
// clock for new conversation ids and waits for the Log. NewConversationID reads random
// bytes.
//
// The one interface that is implemented elsewhere is Log: by store/postgres for
// production, by domain/domaintest for tests. Command and MessageCommand are
// implemented here only. Adapters (store/postgres, routing, realtime, rest) import
// this package and never each other. Errors for clients are *Error, with a code of
// the contract.
package domain
