// Package chaos tests a cluster while its parts fail. Nodes are killed, paused and
// restarted. PostgreSQL, Redis and RabbitMQ are processes that the tests start
// themselves; they are stopped, killed, cut off, slowed down and restored from copies.
// Package verify checks each run and must find no breach of an invariant.
//
// Probes concurrently measure the latency of sends, the latency of their delivery to
// another node, and the time to recovery. docs/reliability.md has the figures.
//
//	IM_TEST_LONG=1       the long form (make chaos)
//	IM_TEST_SOAK=1h      the soak, of that duration (make soak)
//	IM_TEST_REPORT=file  appends the figures to a file, as rows of a table
package chaos
