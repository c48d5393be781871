// Package e2e tests whole nodes on the real PostgreSQL, Redis and RabbitMQ,
// from the outside: over sockets and REST calls, as a client of the contract
// sees them. The tests are named for the invariants of docs/architecture.md.
package e2e
