// Package e2e tests whole nodes on a real PostgreSQL, Redis and RabbitMQ. The tests
// use only WebSockets and REST calls, as clients of the contract do. I1 to I9 in the
// names of tests are the invariants of docs/architecture.md.
package e2e
