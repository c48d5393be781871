// Package chaos tests a cluster while its parts fail: nodes that are killed,
// stopped and restarted, and PostgreSQL, Redis and RabbitMQ that are processes
// of the tests' own, to be ended, cut off, slowed down and set back. Package
// verify judges each run: it must find no breach.
//
// Probes measure meanwhile how long sends and their delivery to another node
// took, and how soon all was well again. docs/reliability.md has the figures.
//
//	IM_LONG=1               the long form (make chaos)
//	IM_SOAK=1h              the soak, of that duration (make soak)
//	IM_CHAOS_REPORT=file    appends the figures to a file, as rows of a table
package chaos
