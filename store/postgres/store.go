package postgres

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/store/postgres/appendlog"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
	"im/store/postgres/read"
	"im/store/postgres/rebuild"
	"im/store/postgres/search"
	"im/store/postgres/users"
)

// Options configure a Store. Only URL is required.
type Options struct {
	// URL is a connection string of PostgreSQL, as a URL or as keywords.
	URL string
	// Node is the name that commits store as their origin, for the operator.
	Node string
	// Limits bound pages; the zero value means domain.DefaultLimits.
	Limits domain.Limits
	// Committers is the number of connections that append; 2 if zero.
	Committers int
	// Readers is the number of connections that everything else shares; 8 if zero.
	Readers int
	// QueueBytes bounds the waiting commands of all committers together; 64 MiB if zero.
	QueueBytes int
	// CacheBytes bounds the cached states of all committers together; 64 MiB if zero.
	CacheBytes int
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
}

// Store is the log and all reads of it. It has the methods of its parts, which share one
// pool of connections. Close it after Run has returned.
type Store struct {
	*appendlog.Log
	*feed.Changes
	*read.Queries
	*users.Records
	*search.Index
	*rebuild.Rebuilder

	db *pg.DB
}

var _ domain.Log = (*Store)(nil)

// Open connects, and checks that the schema exists. It fails with
// domain.ErrUnavailable when the server cannot be reached.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	logger := o.Logger.With("component", "store")
	db, err := pg.Open(ctx, pg.Options{URL: o.URL, Readers: o.Readers, EpochBegan: o.EpochBegan, Logger: logger})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, Changes: feed.New(db), Queries: read.New(db), Rebuilder: rebuild.New(db)}
	s.Records = users.New(db, users.Options{Node: o.Node, Lookups: o.Readers / 2})
	s.Log = appendlog.New(db, appendlog.Options{
		Node: o.Node, Committers: o.Committers, QueueBytes: o.QueueBytes, CacheBytes: o.CacheBytes,
		Publish: o.Publish, Push: o.Push,
	})
	s.Index = search.New(db, s.Changes, s.Queries, search.Options{
		Searches: max(1, o.Readers/2), Appending: s.Appending,
	})
	return s, nil
}

func (o Options) withDefaults() Options {
	defaultTo(&o.Committers, 2)
	defaultTo(&o.Readers, 8)
	defaultTo(&o.QueueBytes, 64<<20)
	defaultTo(&o.CacheBytes, 64<<20)
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

func defaultTo(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// Run appends submitted commands, deletes old rows and updates the search index, until
// ctx ends. Then it accepts no more commands, writes those that it has accepted (for 5 s
// at most) and returns nil.
func (s *Store) Run(ctx context.Context) error {
	var running errgroup.Group
	running.Go(func() error { return s.Log.Run(ctx) })
	running.Go(func() error { return s.sweep(ctx) })
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
