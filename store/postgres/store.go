package postgres

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"im/domain"
)

// Options configure a Store. Only URL is required.
type Options struct {
	// URL is a connection string of PostgreSQL, as a URL or as keywords.
	URL string
	// Node is noted beside every commit, for the operator.
	Node string
	// Limits bound pages; the zero value means domain.DefaultLimits.
	Limits domain.Limits
	// Committers is how many connections append; 2 if zero.
	Committers int
	// Readers is how many connections everything else shares; 8 if zero.
	Readers int
	// QueueBytes bounds the commands that wait, over all committers; 64 MiB if zero.
	QueueBytes int
	// CacheBytes bounds the cached states, over all committers; 64 MiB if zero.
	CacheBytes int
	// Publish and Push are both told of every commit of this Store before whoever
	// asked for it is answered, in the order of commits for each conversation:
	// Publish of all that was committed together, for other nodes; Push of each
	// conversation, for sessions of this node, right before the answers of that
	// conversation. They must not block and must not keep the slice. Optional.
	Publish func([]domain.Committed)
	Push    func(domain.Committed)
	// EpochBegan is told of a new epoch before anything is read or appended in it
	// by a new connection. Optional.
	EpochBegan func(epoch string)
	// Logger gets no content of messages; slog.Default if nil.
	Logger *slog.Logger
}

// Store is the log and the reads on it. Close it after Run has returned.
type Store struct {
	options    Options
	log        *slog.Logger
	pool       *pgxpool.Pool
	epoch      atomic.Pointer[string] // as last read; a change drops what committers have cached
	queue      *queue
	seen       atomic.Pointer[seen]
	committers []*committer
	searching  chan struct{} // has room for as many searches as may run at once

	revoked    *gatherer[domain.UserID, time.Time]          // RevokedBefore
	admissions *gatherer[domain.UserID, domain.Admission]   // Admit
	lists      *gatherer[domain.UserID, domain.Memberships] // Memberships
}

var _ domain.Log = (*Store)(nil)

// Open connects, and checks that the schema is there. It fails with
// domain.ErrUnavailable when the server cannot be reached.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{options: o, log: o.Logger.With("component", "store"), queue: newQueue(o.QueueBytes, o.Committers)}
	s.searching = make(chan struct{}, max(1, o.Readers/2))
	s.revoked = newGatherer(usersAtOnce, o.Readers/2, s.revokedOne, s.revokedAll)
	s.admissions = newGatherer(usersAtOnce, o.Readers/2, s.admitOne, s.admitAll)
	s.lists = newGatherer(listsAtOnce, o.Readers/2, s.membershipsOne, s.membershipsAll)
	config, err := readConfig(o, s.checkEpoch)
	if err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, translate(err)
	}
	if err := s.Ping(ctx); err != nil {
		s.pool.Close()
		return nil, err
	}
	for n := range o.Committers {
		c, err := newCommitter(s, n)
		if err != nil {
			s.pool.Close()
			return nil, err
		}
		s.committers = append(s.committers, c)
	}
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

// committed tells of commits whose order with the answers does not matter.
func (s *Store) committed(commits []domain.Committed) {
	if len(commits) == 0 {
		return
	}
	s.options.Publish(commits)
	for i := range commits {
		s.options.Push(commits[i])
	}
}

func defaultTo(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// Run appends what is submitted, sweeps what is old and keeps what is searched up to
// date, until ctx ends. Then it takes no more commands, writes those that were taken
// (for 5 s at most) and returns nil.
func (s *Store) Run(ctx context.Context) error {
	var running errgroup.Group
	for _, c := range s.committers {
		running.Go(func() error { return c.run(ctx) })
	}
	running.Go(func() error { return s.sweep(ctx) })
	running.Go(func() error { return newIndexer(s).run(ctx) })
	return running.Wait()
}

// Close releases the connections of reads. Those of committers end with Run.
func (s *Store) Close() {
	s.revoked.rest()
	s.admissions.rest()
	s.lists.rest()
	s.pool.Close()
}

const pingSQL = `SELECT epoch FROM epoch`

// Ping tells whether the database answers and has a schema.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Epoch(ctx)
	return err
}

const (
	attemptTimeout = 4 * time.Second // of one attempt at a read
	attempts       = 2
)

// read runs a read that may be repeated, once more if the connection was lost,
// and translates its error. It answers within attempts × attemptTimeout.
func (s *Store) read(ctx context.Context, attempt func(context.Context) error) error {
	var err error
	for range attempts {
		err = func() error {
			ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
			defer cancel()
			return attempt(ctx)
		}()
		if err == nil || ctx.Err() != nil || !connectionLost(err) {
			break
		}
		s.distrust(err)
	}
	return translate(err)
}

// distrust gives up all connections when one was lost: the others went the same
// way, and each would cost a read to find out. One that was only slow tells
// nothing of the others.
func (s *Store) distrust(err error) {
	if connectionLost(err) && !pgconn.Timeout(err) && !errors.Is(err, context.DeadlineExceeded) {
		s.pool.Reset()
	}
}

var errSchema = errors.New("the database has no schema of this program: run the migrations")
