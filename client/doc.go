// Package client is the Go client of the server: one device of one user.
//
// A [Client] keeps a socket to one of several nodes. It hands the events of all of the
// user's conversations to one callback, and sends messages. It promises:
//
//   - Once and in order. Within one life of a [Store], OnEvent receives each event of
//     a conversation once, in ascending seq and without a hole, whatever the network
//     does: events that were not pushed are pulled, repeated ones are dropped. Only a
//     crash between a callback and the next save of the positions repeats the last
//     events; recognise them by (conversation, seq).
//   - Sends arrive. Send returns once the message is committed or refused. Until then
//     the client repeats it under the same ClientMsgID, over as many connections as it
//     takes. Messages to one conversation arrive in the order of the calls.
//   - It reconnects. After a lost connection the client waits for a random delay and
//     tries the next URL. The close code decides whether it needs a new token or must
//     stop; in that case Run returns the reason.
//   - It is bounded. Events that OnEvent is too slow for stay on the server and are
//     pulled later. In memory are one state of each conversation, at most MaxBuffered
//     bytes of events, and the calls without an answer.
//
// A new device starts with the newest Options.History events of each conversation.
// Client.Messages reads older ones.
//
// # Import path
//
// The module is called im, so the import path is "im/client". Another module names
// where its source is, in go.mod:
//
//	require im v0.0.0
//	replace im => ../im
//
// # Calls
//
// Send and MarkRead go over the socket and are repeated until they are answered.
// SetTyping and Watch go over the socket too, without an answer. All other calls are
// REST calls, made once; they work without Run, except Join and Leave, which wait to
// learn who the user is. Calls that change something return only an error: the event of
// the change comes to OnEvent, on every device. Lists are iterators, which request a
// page at a time; after an error they end.
//
// # Edits and recalls
//
// Client.Conversations has the conversations as the server would list them at the last
// event: an edit, a recall, a reaction or a pin changes LastMessage, and UnreadCount and
// MentionCount with it. An event names the changed message by its seq alone. If the
// message is unread, and older than the events that this client has received since it
// was made, the client asks the server for the counts; they follow within RepairDelay and
// a round trip. Each change replaces LastMessage, so a Conversation that you hold stays as
// it is.
//
// OnEvent receives edits and recalls as events with a target_seq. [MessageAfter] applies
// them to a message that you show or store. A recall erases: when [MessageRecalled]
// comes, delete what you have stored of the message and of its edits, quotes and search
// indexes included. The client itself stores positions only, and no content.
//
// # Errors
//
// A refusal by the server is an [*Error] with one of the codes; match it by
// errors.Is(err, client.ErrForbidden) and so on. Error.Retry says what to do: RetryNever
// (the answer would be the same), RetryAgain (repeat with a backoff) or RetryAfter
// (repeat after the delay in Error.After). Error.Fields names what is wrong in the
// request, by JSON pointer. Send and MarkRead repeat by themselves and return only what
// is final. Other errors are [ErrClosed] after the end of Run, the error of ctx, and
// errors of the network from REST calls. A call that failed without an [*Error], or with
// ErrUnavailable, may have taken effect.
//
// Run returns nil after its ctx has ended. Otherwise it returns [*Closed] with the close
// code, the error of a callback, or that of the Store.
//
// # Callbacks
//
// Callbacks run one at a time, in one goroutine, and receive the client. They may call
// it and may block: the connection lives on, other calls are answered, and events wait,
// up to MaxBuffered. What a callback must not do is wait for another callback. Their
// ctx ends when Run is to return. An error of OnEvent or OnReset ends Run; positions up
// to the last event without an error are saved and acknowledged.
//
// After OnReset, everything that the application stored of the events is void: the
// server was restored from a backup, or failed over with a loss. The events come again
// as on a new device. Messages that were not answered yet are sent under the new epoch.
//
// # Time-outs and limits
//
// The constants of this package name all time-outs: [DialTimeout], [HelloTimeout],
// [PongTimeout], [CallTimeout], [RetryDelay] and so on. A ctx bounds a call; nothing
// else bounds Send. At most [MaxPending] calls wait for an answer, then Send and
// MarkRead block. Client.Limits returns what the server accepts: sizes of messages, the
// largest Range.Limit, members per call, and so on.
//
// Package im/test/imtest is an in-memory server for tests of code that uses a Client.
package client
