// Package stream publishes events to a message broker: to a topic exchange of RabbitMQ (AMQP
// 0-9-1), to a stream of NATS JetStream, or to a topic of Kafka.
//
// A Publisher knows nothing of what was published before: package webhook owes the events,
// and sends them in their order.
//
// # What it promises
//
//   - An event counts as stored when the broker has confirmed it: by a publisher confirm, by
//     the acknowledgement of JetStream, or by all replicas in sync of Kafka.
//   - Events of one call of Publish are sent in their order, and one of the next call after
//     them.
//   - Publish ends when its context ends, whatever the broker does. Broken connections are
//     made again by the next call.
//   - No error contains the password of an address.
package stream
