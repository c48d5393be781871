// Package ws is the WebSocket plumbing of the gateway: upgrading, reading and
// writing one connection (Conn), and the bounded queue of frames that wait to be
// sent to it (SendQueue).
//
// gorilla/websocket does the handshake and parses what clients send. Everything
// else is written by hand, for one reason: memory per idle socket, which is what
// bounds the number of sockets of a node. It is 8.1 KiB here and 16.6 KiB with
// gorilla's own buffers and writer. Three things save it:
//
//   - An idle connection holds no read buffer. It waits for the file descriptor
//     to become readable, and takes a buffer from a pool only then (source).
//   - A connection has no writing goroutine and no write buffer while nothing
//     is queued (SendQueue starts the writer).
//   - Frames are encoded once for all sockets (package wire), and several leave
//     in one system call (Conn.Write).
//
// Conn.Read also returns when a pong was received, so that the caller can go on
// in a fresh goroutine with a small stack.
//
// I9: a SendQueue is bounded in bytes. A reader that is too slow loses events,
// for which it gets one gap frame per conversation; answers to its requests are
// never dropped.
package ws
