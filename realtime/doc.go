// Package realtime is the WebSocket edge of a node. The Gateway serves GET
// /v1/ws and speaks the protocol of contract v1, section 3: it accepts sockets,
// lets them join the hub by their hello, handles their requests and ends them.
// Only internal/app wires it.
//
// Its parts are the packages beneath it:
//
//	wire      encodes the server's frames and names the close codes
//	ws        reads and writes one connection; the bounded queue of each
//	hub       the live sessions of a node; pushes to them what is committed
//	presence  who is online, who is typing, and receipts; none of it is logged
//
// Imports go one way: presence imports hub, hub imports ws, ws imports wire.
//
// What the gateway itself promises, beside what those packages promise:
//
//   - I8: a session begins only with a valid token, and ends when the token does.
//   - I9: each socket has a bounded number of requests in flight and a bounded
//     queue of answers. While the queue is full, the gateway does not read from
//     the socket. A node takes at most MaxSockets sockets, and lets a bounded
//     number join at a time.
package realtime
