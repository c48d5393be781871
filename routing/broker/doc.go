// Package broker carries messages between nodes, over RabbitMQ (AMQP) or inside one
// process (InProcess). Both implement Broker.
//
// A broker is the fast path only. It may lose messages at any time: the log has a copy
// of everything that matters, and every node reads the tail of the log once a second.
package broker
