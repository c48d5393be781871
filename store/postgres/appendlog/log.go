package appendlog

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/internal/tracing"
	"im/store/postgres/internal/pg"
)

// Options configure a Log. All fields but Timeout, Metrics and Tracer are required.
type Options struct {
	// Node is noted beside every commit, for the operator.
	Node string
	// Committers is how many connections append.
	Committers int
	// QueueBytes bounds the commands that wait, over all committers.
	QueueBytes int
	// CacheBytes bounds the cached states, over all committers.
	CacheBytes int
	// Publish and Push are both called with every commit of this Log before its
	// callers are answered, in the order of commits for each conversation. Publish
	// gets everything that was committed together. Push gets each conversation, right
	// before the answers of that conversation. They must not block and must not keep
	// the slice.
	Publish func([]domain.Committed)
	Push    func(domain.Committed)
	// Timeout is how long a command waits for its answer; 8 s if zero. Then it gets
	// domain.ErrUnavailable, even if its outcome is unknown.
	Timeout time.Duration
	// Metrics is where the log registers its metrics.
	Metrics prometheus.Registerer
	// Tracer begins spans; nil: there are no traces.
	Tracer *tracing.Tracer
}

// Log appends. It implements domain.Log and is safe for concurrent use.
type Log struct {
	db         *pg.DB
	options    Options
	queue      *queue
	metrics    *metrics
	committers []*committer
}

var _ domain.Log = (*Log)(nil)

// New returns the log in db. Run must run for Submit to be answered.
func New(db *pg.DB, o Options) *Log {
	o.Timeout = cmp.Or(o.Timeout, commandTimeout)
	l := &Log{db: db, options: o, queue: newQueue(o.QueueBytes, o.Committers)}
	l.metrics = newMetrics(o.Metrics, l.queue)
	for n := range o.Committers {
		l.committers = append(l.committers, newCommitter(l, n))
	}
	return l
}

// Run appends what is submitted until ctx ends. Then it takes no more commands,
// writes those that it has taken (for 5 s at most) and returns nil.
func (l *Log) Run(ctx context.Context) error {
	var running errgroup.Group
	for _, c := range l.committers {
		running.Go(func() error { return c.run(ctx) })
	}
	return running.Wait()
}

// Appending reports whether a committer is at work, or was a moment ago.
func (l *Log) Appending() bool { return l.queue.busy() }

// committed reports commits whose order relative to the answers does not matter.
func (l *Log) committed(commits []domain.Committed) {
	if len(commits) == 0 {
		return
	}
	l.metrics.commit(commits)
	l.options.Publish(commits)
	for i := range commits {
		l.options.Push(commits[i])
	}
}
