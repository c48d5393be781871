// Package bench puts load on a cluster and measures what the cluster achieves. It is
// the work of the command im bench.
//
// A workload has cases. A case runs several times, each time with users of its own,
// and the report has the median of each metric. All load comes from one process on
// the machine that it measures, so it must be cheap: frames are written from a
// template and scanned instead of decoded, and sockets do their own framing. The CPU
// time of the load is reported beside that of the server.
//
// Throughput counts answers (frames of type sent) and, separately, events that the
// recipient has read, both within the measured time, which follows a warm-up. In a
// closed loop a sender keeps a number of messages in flight. In an open loop
// (Options.Rate) each message has a time at which it is due, and its latency counts
// from then. So the percentiles include the time for which a message could not be
// sent because the server was slow.
package bench
