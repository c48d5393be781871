// Package broker carries messages between nodes, over RabbitMQ (AMQP) or inside one
// process (InProcess). Both implement Broker.
//
// A broker is the fast path only. It may lose messages at any time: the log has a copy
// of everything that matters, and every node reads the tail of the log once a second.
//
// AMQP uses Watermill's client, and adds what that lacks: several hosts and TLS (url.go,
// dialer.go), what RabbitMQ says about a connection (frames.go), names that a user with
// few rights may use (topology.go), and proof that messages are taken and delivered.
package broker
