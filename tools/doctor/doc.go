// Package doctor is the code behind im doctor: it examines the services, the settings and
// the public address of a cluster, and says of everything that it finds what it saw, why
// that matters, and what to do.
//
// It changes nothing but a queue of its own in RabbitMQ, and keys of its own in Redis,
// which it deletes again. It may run beside nodes.
package doctor
