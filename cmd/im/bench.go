package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"im/domain"
	"im/internal/app"
	"im/tools/bench"
)

// benchCmd is `im bench`.
type benchCmd struct {
	Workloads []string `arg:"" optional:"" name:"workload" help:"Workloads to measure: ${bench_workloads}. By default all but biggroup and depth, which take long."`

	Target target `embed:""`

	Serve       bool   `help:"Start nodes of im serve on the services below, with a database and a prefix of their own, instead of im dev. Not with --url."`
	DatabaseURL string `name:"database-url" help:"URL of PostgreSQL, for --serve, and beside --url for limit and depth. Its role must be allowed to create databases."`
	RedisURL    string `name:"redis-url" default:"${default_redis_url}" help:"URL of Redis, for --serve."`
	AMQPURL     string `name:"amqp-url" default:"${default_amqp_url}" help:"URL of RabbitMQ, for --serve."`

	TinodeURL        string `name:"tinode-url" placeholder:"http://HOST:PORT" help:"With compare: a running Tinode, with the built-in basic authentication and no validation of new accounts."`
	TinodeKey        string `name:"tinode-key" default:"AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K" help:"API key of Tinode. By default that of its default configuration."`
	CentrifugoURL    string `name:"centrifugo-url" placeholder:"http://HOST:PORT" help:"With compare: a running Centrifugo, whose clients may subscribe and publish."`
	CentrifugoSecret string `name:"centrifugo-secret" placeholder:"SECRET" help:"Its client.token.hmac_secret_key, of 32 bytes or more."`

	Pairs    int           `help:"Pairs of users. By default the cases of the workload."`
	InFlight int           `help:"Messages that each sender keeps in flight, at most 64. By default the cases of the workload."`
	Members  int           `help:"Members of the groups of group and biggroup. By default 100 and 10,000."`
	Sockets  int           `help:"Sockets of idle, and online members of biggroup. By default 5,000 and 2,000."`
	Missed   int           `help:"Missed messages of catchup. By default 1,000."`
	Listed   int           `help:"Conversations of sync. By default 10,000."`
	Events   int64         `help:"Stored events of depth. By default 1,000,000; 20 million take about 12 GB."`
	Rate     float64       `help:"Messages a second of all senders together, each sent at its time (an open loop). By default a sender sends the next message when one is answered (a closed loop)."`
	Warmup   time.Duration `default:"3s" help:"Time before each measurement."`
	Duration time.Duration `default:"10s" help:"Measured time of each run."`
	Runs     int           `default:"3" help:"Runs of each case. The report has their medians."`

	Profile   string   `placeholder:"FOLDER" help:"Folder for profiles of the nodes and of the load, taken in the first run of each case."`
	DebugURLs []string `name:"debug-url" placeholder:"http://HOST:PORT" help:"With --url: where a node serves profiles (its IM_DEBUG_ADDR); repeatable."`
	Timeline  bool     `help:"Trace the first node in the first run of each case, and print where the time of a message goes."`
	JSON      bool     `name:"json" help:"Print a JSON object instead of tables."`
}

// Run measures and prints the report. After an error it prints the results so far.
func (c *benchCmd) Run(ctx context.Context, std streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	o.Progress = std.err
	report, failed := bench.Measure(ctx, o)
	if c.JSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", " ")
		encoder.SetEscapeHTML(false)
		return errors.Join(failed, encoder.Encode(report))
	}
	return errors.Join(failed, report.Write(std.out))
}

func (c *benchCmd) options() (bench.Options, error) {
	benchTarget, err := c.benchTarget()
	if err != nil {
		return bench.Options{}, err
	}
	o := bench.Options{
		Workloads: c.Workloads, Pairs: c.Pairs, InFlight: c.InFlight, Rate: c.Rate,
		Members: c.Members, Sockets: c.Sockets, Missed: c.Missed, Listed: c.Listed, Events: c.Events,
		Warmup: c.Warmup, Duration: c.Duration, Runs: c.Runs, Profile: c.Profile, Timeline: c.Timeline, Target: benchTarget,
		Peers: bench.Peers{
			TinodeURL: strings.TrimSuffix(c.TinodeURL, "/"), TinodeKey: c.TinodeKey,
			CentrifugoURL: strings.TrimSuffix(c.CentrifugoURL, "/"), CentrifugoSecret: c.CentrifugoSecret,
		},
	}
	if err := bench.Check(o.Workloads); err != nil {
		return o, usageError{err}
	}
	switch {
	case slices.Contains(o.Workloads, "compare") && o.Peers.TinodeURL == "" && o.Peers.CentrifugoURL == "":
		return o, usageError{bench.ErrNoPeer}
	case min(o.Pairs, o.InFlight, o.Members, o.Sockets, o.Missed, o.Listed, int(o.Events)) < 0 || o.Rate < 0 || o.Warmup < 0:
		return o, usageError{errors.New("sizes, --rate and --warmup must not be negative")}
	case o.InFlight > 64:
		return o, usageError{errors.New("--in-flight must be at most 64: a node accepts no more from one socket")}
	case o.Duration <= 0 || o.Runs < 1:
		return o, usageError{errors.New("--duration and --runs must be above 0")}
	}
	return o, nil
}

// benchTarget returns the cluster to measure, or how to start one.
func (c *benchCmd) benchTarget() (bench.Target, error) {
	o := bench.Target{Serve: c.Serve, DatabaseURL: c.DatabaseURL, RedisURL: c.RedisURL, AMQPURL: c.AMQPURL, DebugURLs: c.DebugURLs}
	if len(c.Target.URL) > 0 {
		if c.Serve {
			return o, usageError{errors.New("--serve starts nodes and --url names running ones: use one of them")}
		}
		urls, err := c.Target.nodes()
		if err != nil {
			return o, err
		}
		o.URLs = urls
		o.Token = func(ctx context.Context, user domain.UserID) (string, error) { return c.Target.tokens(user, urls)(ctx) }
		return o, nil
	}
	if c.Serve && o.DatabaseURL == "" {
		o.DatabaseURL = app.DefaultDatabaseURL
	}
	program, err := os.Executable()
	if err != nil {
		return o, fmt.Errorf("cannot find the executable to start nodes with: %w", err)
	}
	o.Program = program
	return o, nil
}

// benchWorkloads lists the workloads for the help.
func benchWorkloads() string {
	names, help := bench.Names()
	for i := range names {
		names[i] += " (" + help[i] + ")"
	}
	return strings.Join(names, "; ")
}
