package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"im/domain"
	"im/tools/bench"
)

// benchCmd is `im bench`.
type benchCmd struct {
	Works []string `arg:"" optional:"" name:"work" help:"What to measure: ${bench_works}. By default all but those that take long."`

	Target target `embed:""`

	Serve       bool   `help:"Without --url: measure nodes of im serve on the services below, in a database and with a prefix of their own, instead of im dev."`
	DatabaseURL string `name:"database-url" help:"PostgreSQL, of a role that may make databases. With --url: needed for limit and depth."`
	RedisURL    string `name:"redis-url" default:"redis://127.0.0.1:6379/0" help:"Redis, for --serve."`
	AMQPURL     string `name:"amqp-url" default:"amqp://guest:guest@127.0.0.1:5672/" help:"RabbitMQ, for --serve."`

	Pairs    int           `help:"Pairs of users, instead of the cases of the work."`
	InFlight int           `help:"Messages that each sender keeps in flight, instead of the cases of the work; at most 64."`
	Members  int           `help:"Of the groups of group and biggroup, instead of 100 and 10,000."`
	Sockets  int           `help:"Of idle, instead of 5,000; online members of biggroup, instead of 2,000."`
	Missed   int           `help:"Messages of catchup, instead of 1,000."`
	Listed   int           `help:"Conversations of sync, instead of 10,000."`
	Events   int64         `help:"Stored events of depth, instead of 1,000,000; 20 million take about 12 GB."`
	Rate     float64       `help:"Messages a second of all senders, sent when they are due (an open loop), instead of as fast as they are answered."`
	Warmup   time.Duration `default:"3s" help:"Before what is measured."`
	Duration time.Duration `default:"10s" help:"That is measured, of each run."`
	Runs     int           `default:"3" help:"Of each case; the median counts."`

	Profile   string   `placeholder:"FOLDER" help:"Where to put profiles of the nodes and of the load, of the first run of each case."`
	DebugURLs []string `name:"debug-url" placeholder:"http://HOST:PORT" help:"With --url: where a node serves profiles (its IM_DEBUG_ADDR); may be repeated."`
	JSON      bool     `name:"json" help:"Print a JSON object instead of tables."`
}

const defaultDatabaseURL = "postgres://postgres@127.0.0.1:5432/im?sslmode=disable"

// Run measures and prints. What was measured before an error is printed, too.
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
	place, err := c.place()
	if err != nil {
		return bench.Options{}, err
	}
	o := bench.Options{
		Works: c.Works, Pairs: c.Pairs, InFlight: c.InFlight, Rate: c.Rate,
		Members: c.Members, Sockets: c.Sockets, Missed: c.Missed, Listed: c.Listed, Events: c.Events,
		Warmup: c.Warmup, Duration: c.Duration, Runs: c.Runs, Profile: c.Profile, Place: place,
	}
	if err := bench.Check(o.Works); err != nil {
		return o, usageError{err}
	}
	switch {
	case min(o.Pairs, o.InFlight, o.Members, o.Sockets, o.Missed, o.Listed, int(o.Events)) < 0 || o.Rate < 0 || o.Warmup < 0:
		return o, usageError{errors.New("a size or a time is below 0")}
	case o.InFlight > 64:
		return o, usageError{errors.New("--in-flight (IM_IN_FLIGHT) must be at most 64: no node takes more from one socket")}
	case o.Duration <= 0 || o.Runs < 1:
		return o, usageError{errors.New("--duration and --runs must be above 0")}
	}
	return o, nil
}

// place finds out what is measured.
func (c *benchCmd) place() (bench.Place, error) {
	p := bench.Place{Serve: c.Serve, DatabaseURL: c.DatabaseURL, RedisURL: c.RedisURL, AMQPURL: c.AMQPURL, DebugURLs: c.DebugURLs}
	if len(c.Target.URL) > 0 {
		if c.Serve {
			return p, usageError{errors.New("--serve starts nodes, --url names some: one of them")}
		}
		urls, err := c.Target.nodes()
		if err != nil {
			return p, err
		}
		p.URLs = urls
		p.Token = func(ctx context.Context, user domain.UserID) (string, error) { return c.Target.tokens(user, urls)(ctx) }
		return p, nil
	}
	if c.Serve && p.DatabaseURL == "" {
		p.DatabaseURL = defaultDatabaseURL
	}
	program, err := os.Executable()
	if err != nil {
		return p, fmt.Errorf("im does not find itself, to start nodes: %w", err)
	}
	p.Program = program
	return p, nil
}

func benchWorks() string {
	names, help := bench.Names()
	for i := range names {
		names[i] += " (" + help[i] + ")"
	}
	return strings.Join(names, "; ")
}
