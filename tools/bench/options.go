package bench

import (
	"context"
	"io"
	"time"

	"im/domain"
)

// Options say what to measure, and on which cluster.
type Options struct {
	Workloads []string // names; if empty, all but those that must be named

	// Sizes of the load. Zero means the default of the workload.
	Pairs    int
	InFlight int
	Members  int     // of the groups of group and biggroup
	Sockets  int     // of idle; online members of biggroup
	Missed   int     // messages of catchup
	Events   int64   // stored events of depth
	Listed   int     // conversations of sync
	Rate     float64 // messages a second of all senders; 0 is a closed loop

	Warmup   time.Duration
	Duration time.Duration // measured time of each run
	Runs     int

	// Profile is a folder for profiles of the first run of each case. Empty means none.
	Profile string
	// Timeline traces the first node in the first run of each case.
	Timeline bool

	Peers    Peers // for compare
	Target   Target
	Progress io.Writer // receives a line for each step
}

// Target is a running cluster, or how to start one.
type Target struct {
	// URLs of a running cluster. If empty, Measure starts one.
	URLs []string
	// Token returns a token of a user in the running cluster.
	Token func(ctx context.Context, user domain.UserID) (string, error)
	// DebugURLs are the URLs at which nodes of the running cluster serve profiles.
	DebugURLs []string

	// Program is the path of im. It is required to start nodes.
	Program string
	// Serve starts nodes of `im serve` on the services below, with a database that
	// is dropped at the end. Without it, `im dev` brings its own services.
	Serve       bool
	DatabaseURL string // with URLs too: limit and depth create a database there
	RedisURL    string
	AMQPURL     string
}
