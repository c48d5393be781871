package postgres

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/internal/tracing"
	"im/store/postgres/appendlog"
	"im/store/postgres/attachments"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
	"im/store/postgres/push"
	"im/store/postgres/read"
	"im/store/postgres/rebuild"
	"im/store/postgres/reports"
	"im/store/postgres/search"
	"im/store/postgres/users"
	"im/store/postgres/webhooks"
)

// Options configure a Store. Only URL is required.
type Options struct {
	// URL is a connection string of PostgreSQL, as a URL or as keywords.
	URL string
	// Node is the name that commits store as their origin, for the operator.
	Node string
	// Limits bound pages; the zero value means domain.DefaultLimits.
	Limits domain.Limits
	// Connections is the most connections to PostgreSQL. If it is zero, it is
	// pool_max_conns of the URL, or else 10. Some work that is rare, such as the deletion
	// of old rows, uses one more.
	Connections int
	// ReplicaURL is a connection string of standbys of the server, which History and
	// searches read from; "" if there are none. ReplicaConnections is the most connections
	// to them; 10 if zero.
	ReplicaURL         string
	ReplicaConnections int
	// Committers is the number of connections that append, and Readers that of those that
	// everything else shares. If zero, they follow from Connections.
	Committers, Readers int
	// QueueBytes bounds the waiting commands of all committers together; 64 MiB if zero.
	QueueBytes int
	// CacheBytes bounds the cached states of all committers together; 64 MiB if zero.
	CacheBytes int
	// CommandTimeout is how long an append waits for its answer; 8 s if zero.
	CommandTimeout time.Duration
	// ReportRetention is how long reports of messages are kept; 90 days if zero.
	ReportRetention time.Duration
	// Publish and Push are called with every commit of this Store before its callers get
	// their answers; for each conversation in the order of its commits. Publish gets all
	// conversations of a transaction at once, for other nodes. Push gets one conversation
	// right before the answers of that conversation, for sessions of this node. They must
	// not block and must not keep the slice. Optional.
	Publish func([]domain.Committed)
	Push    func(domain.Committed)
	// EpochBegan is called with each new epoch before a new connection reads or appends
	// in it. Optional.
	EpochBegan func(epoch string)
	// Logger never gets the content of messages; slog.Default if nil.
	Logger *slog.Logger
	// Metrics is where the store registers its metrics. Optional.
	Metrics prometheus.Registerer
	// Tracer begins spans, of statements too; nil: there are no traces.
	Tracer *tracing.Tracer
}

// DefaultReportRetention is the default of Options.ReportRetention.
const DefaultReportRetention = 90 * 24 * time.Hour

// Store is the log and all reads of it. It has the methods of its parts, which share one
// pool of connections. Close it after Run has returned.
type Store struct {
	*appendlog.Log
	*feed.Changes
	*read.Queries
	*users.Records
	*search.Index
	*rebuild.Rebuilder
	*reports.Reports
	*webhooks.Webhooks
	*attachments.Attachments
	*push.Pushes

	db              *pg.DB
	reportRetention time.Duration
}

var _ domain.Log = (*Store)(nil)

// Open connects, and checks that the schema is one that this program can use. It fails
// with domain.ErrUnavailable when the server cannot be reached, or lacks migrations.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	logger := o.Logger.With("component", "store")
	config, err := pg.ParseURL(o.URL, "im/"+o.Node)
	if err == nil {
		err = o.share(config.Connections)
	}
	if err != nil {
		return nil, pg.Translate(err)
	}
	config.Trace(o.Tracer)
	replica, err := o.replica(config)
	if err != nil {
		return nil, pg.Translate(err)
	}
	db, err := pg.Open(ctx, pg.Options{
		Config: config, Readers: o.Readers, EpochBegan: o.EpochBegan, Logger: logger,
		Replica: replica, ReplicaConnections: o.ReplicaConnections,
	})
	if err != nil {
		return nil, explainSchema(ctx, o.URL, err)
	}
	if err := checkSchema(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	db.RegisterMetrics(o.Metrics)
	s := &Store{db: db, Changes: feed.New(db), Queries: read.New(db), Rebuilder: rebuild.New(db), Reports: reports.New(db), reportRetention: o.ReportRetention}
	s.Webhooks, s.Attachments = webhooks.New(db, s.Changes), attachments.New(db)
	s.Pushes = push.New(db, s.Changes)
	s.Records = users.New(db, users.Options{Node: o.Node, Lookups: o.Readers / 2})
	s.Log = appendlog.New(db, appendlog.Options{
		Node: o.Node, Committers: o.Committers, QueueBytes: o.QueueBytes, CacheBytes: o.CacheBytes, Timeout: o.CommandTimeout,
		Publish: o.Publish, Push: o.Push, Metrics: o.Metrics, Tracer: o.Tracer,
	})
	s.Index = search.New(db, s.Changes, s.Queries, search.Options{
		Searches: max(1, o.Readers/2), Appending: s.Appending, Metrics: o.Metrics,
	})
	return s, nil
}

func (o Options) withDefaults() Options {
	defaultTo(&o.QueueBytes, 64<<20)
	defaultTo(&o.CacheBytes, 64<<20)
	o.ReportRetention = cmp.Or(o.ReportRetention, DefaultReportRetention)
	if o.Limits == (domain.Limits{}) {
		o.Limits = domain.DefaultLimits()
	}
	if o.Publish == nil {
		o.Publish = func([]domain.Committed) {}
	}
	if o.Push == nil {
		o.Push = func(domain.Committed) {}
	}
	if o.EpochBegan == nil {
		o.EpochBegan = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// defaultConnections is the number of connections of a node unless it is set.
const defaultConnections = 10

// share divides the connections between appends and everything else. ofURL is
// pool_max_conns of the URL, or 0.
func (o *Options) share(ofURL int) error {
	total := cmp.Or(o.Connections, ofURL, defaultConnections)
	switch {
	case o.Connections != 0 && ofURL != 0 && o.Connections != ofURL:
		return &pg.ConfigError{Reason: fmt.Sprintf(
			"pool_max_conns is %d, and IM_DATABASE_CONNECTIONS is %d: remove one of them", ofURL, o.Connections)}
	case total < 2:
		return &pg.ConfigError{Reason: "a node needs at least 2 connections (IM_DATABASE_CONNECTIONS, or pool_max_conns in the URL)"}
	}
	committers := 2
	if total < 4 {
		committers = 1
	}
	defaultTo(&o.Committers, committers)
	defaultTo(&o.Readers, total-committers)
	return nil
}

// replica returns how to connect to the replica; nil if there is none.
func (o *Options) replica(primary *pg.Config) (*pg.Config, error) {
	if o.ReplicaURL == "" {
		return nil, nil
	}
	config, err := pg.ParseReplicaURL(o.ReplicaURL, "im/"+o.Node, primary)
	if err != nil {
		return nil, err
	}
	if n := config.Connections; n != 0 && o.ReplicaConnections != 0 && n != o.ReplicaConnections {
		return nil, &pg.ConfigError{Reason: fmt.Sprintf(
			"pool_max_conns is %d, and IM_DATABASE_REPLICA_CONNECTIONS is %d: remove one of them", n, o.ReplicaConnections)}
	}
	o.ReplicaConnections = cmp.Or(o.ReplicaConnections, config.Connections, defaultConnections)
	config.Trace(o.Tracer)
	return config, nil
}

// CheckReplicaURL parses the connection string of standbys of the primary at url, for a node
// with at most that many connections to them. An empty one is right. The error contains no
// password.
func CheckReplicaURL(replicaURL, url string, connections int) error {
	o := &Options{ReplicaURL: replicaURL, ReplicaConnections: connections}
	if primary, err := pg.ParseURL(url, "im"); err == nil { // else CheckURL says what is wrong
		_, err = o.replica(primary)
		return err
	}
	return nil
}

// CheckURL parses a connection string, for a node with at most that many connections (0:
// as many as the connection string says). The error contains no password.
func CheckURL(url string, connections int) error {
	config, err := pg.ParseURL(url, "im")
	if err != nil {
		return err
	}
	return (&Options{Connections: connections}).share(config.Connections)
}

// PoolSize returns pool_max_conns of a connection string; 0 if it has none.
func PoolSize(url string) int {
	config, err := pg.ParseURL(url, "im")
	if err != nil {
		return 0
	}
	return config.Connections
}

// ErrConfig is the cause of errors that say what in the URL, in the database or in a
// pooler must be changed. A retry does not help.
var ErrConfig = pg.ErrConfig

// ErrNoSession is the cause of the error of Migrate behind a connection pooler that gives
// the sessions of the server to other clients between two transactions.
var ErrNoSession = pg.ErrNoSession

func defaultTo(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// History is a Store whose Events may come from a read replica, as Messages and
// SearchMessages of every Store do. They have every commit that ended before the call.
type History struct{ *Store }

// Events returns a range of the log, as Store.Events does.
func (h History) Events(
	ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range,
) (domain.EventPage, error) {
	return h.EventsFromReplica(ctx, a, id, r)
}

// Run appends submitted commands, deletes old rows, repairs restored ones and updates the
// search index, until ctx ends. Then it accepts no more commands, writes those that it has
// accepted (for 5 s at most) and returns nil.
func (s *Store) Run(ctx context.Context) error {
	var running errgroup.Group
	running.Go(func() error { return s.Log.Run(ctx) })
	running.Go(func() error { return s.sweep(ctx) })
	running.Go(func() error { return s.repairChanged(ctx) })
	running.Go(func() error { return s.Index.Run(ctx) })
	return running.Wait()
}

// Close closes the connections of reads. Those of committers are closed when Run returns.
func (s *Store) Close() {
	s.Wait() // for the queries of Records
	s.db.Close()
}

// RebuildOptions are the options of Rebuild.
type RebuildOptions = rebuild.Options

// RebuildProgress is the progress that Rebuild reports.
type RebuildProgress = rebuild.Progress

// Difference is a difference between a projection and the log, as Rebuild reports it.
type Difference = rebuild.Difference

// SearchDifference is a difference between the search index and the log.
type SearchDifference = search.Difference
