// Package realtime is the WebSocket edge of a node. The Gateway serves GET
// /v1/ws and speaks the protocol of contract v1, section 3: it accepts sockets,
// lets them join the hub by their hello, handles their requests and ends them.
// Only internal/app wires it.
//
// Its parts are packages beneath it, each usable on its own:
//
//	wire      encodes the server's frames and names the close codes
//	ws        reads and writes one connection; the bounded queue of each
//	hub       the live sessions of a node; pushes to them what is committed
//	presence  who is online, typing, or has read how far; nothing of it is logged
//
// wire knows none of the others, ws knows wire, hub knows ws, presence knows hub.
//
// What the gateway itself promises, beside what those packages promise:
//
//   - I8: a session does not begin with a token that is not valid, and ends with
//     its token.
//   - I9: the requests in flight of a socket are bounded, and the answers that
//     wait for it: it is not read while they exceed its queue. A node takes at
//     most MaxSockets sockets, and lets a bounded number join at a time.
package realtime
