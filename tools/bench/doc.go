// Package bench puts load on a cluster and measures what it takes. It is the
// work of the command im bench.
//
// A work (Works) has cases; a case is run some times, each with users of its
// own, and the median of each metric is what counts. All load comes from one
// process that shares its machine with what it measures, so it is kept cheap:
// frames are written from a template and read by a scan, not decoded; sockets
// do their own framing. Its own use of CPU is reported beside the server's.
//
// Throughput is what was answered (`sent`) and, apart from that, what the
// recipient read (`event`), both within the measured time, which begins after a
// warm-up. In a closed loop a sender keeps a number of messages in flight. In
// an open one (Options.Rate) messages have times at which they are due, and
// latency counts from then: what waits because the server is slow is not left
// out of the percentiles.
package bench
