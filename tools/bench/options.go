package bench

import (
	"context"
	"io"
	"time"

	"im/domain"
)

// Options say what to measure, and on what.
type Options struct {
	Works []string // by name; all that take no special wish if empty

	// Of the load. Zero means the work's own cases or sizes.
	Pairs    int
	InFlight int
	Members  int // of groups
	Sockets  int // of idle
	Missed   int // messages of catchup
	Events   int64
	Listed   int     // conversations of sync
	Rate     float64 // messages a second over all senders; 0: a closed loop

	Warmup   time.Duration
	Duration time.Duration // that is measured, of each run
	Runs     int

	// Profile is a folder for profiles of the first run of each case; "" for none.
	Profile string

	Place    Place
	Progress io.Writer // one line for each step
}

// Place is where a cluster is, or how to start one.
type Place struct {
	// URLs of a running cluster; empty: one is started by itself.
	URLs []string
	// Token returns a token of a user of the running cluster.
	Token func(ctx context.Context, user domain.UserID) (string, error)
	// DebugURLs are where nodes of the running cluster serve profiles.
	DebugURLs []string

	// Program is the path of im, to start nodes with.
	Program string
	// Serve: nodes run `im serve` on the services below, in a database that is
	// made and dropped; otherwise `im dev` has everything of its own.
	Serve       bool
	DatabaseURL string // beside a running cluster: of its server, for limit and depth
	RedisURL    string
	AMQPURL     string
}
