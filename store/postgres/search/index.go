package search

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
	"im/store/postgres/read"
)

// Options configure an Index. All fields but Metrics are required.
type Options struct {
	// Searches bounds the searches that run at once.
	Searches int
	// Appending reports whether this node is appending, or was a moment ago: the
	// index then leaves the server more time.
	Appending func() bool
	// Metrics is where the index registers its metrics.
	Metrics prometheus.Registerer
}

// Index keeps messages searchable, and searches them. It is safe for concurrent use.
type Index struct {
	db        *pg.DB
	changes   *feed.Changes
	queries   *read.Queries
	appending func() bool
	searching chan struct{} // holds an element for each search that runs
	progress  progress
}

// New returns the index of the log in db.
func New(db *pg.DB, changes *feed.Changes, queries *read.Queries, o Options) *Index {
	i := &Index{
		db: db, changes: changes, queries: queries, appending: o.Appending,
		searching: make(chan struct{}, o.Searches),
	}
	i.progress.register(o.Metrics)
	return i
}

// progress is what the metrics say of the indexer of this node.
type progress struct {
	held    atomic.Int64 // slots
	until   atomic.Int64 // Unix ns: what was committed before is in the index; 0: not known
	indexed prometheus.Counter
}

func (p *progress) register(r prometheus.Registerer) {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "im_search_holder", Help: "The part of the search index that this node updates. The sum over all nodes is 1.",
	}, func() float64 { return float64(p.held.Load()) / slotCount })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "im_search_lag_seconds", Help: "How far this node's part of the search index is behind the log; 0 without a part.",
	}, func() float64 {
		until := p.until.Load()
		if p.held.Load() == 0 || until == 0 {
			return 0
		}
		return max(0, time.Since(time.Unix(0, until)).Seconds())
	})
	p.indexed = f.NewCounter(prometheus.CounterOpts{
		Name: "im_search_writes_total", Help: "Statements that wrote to the search index or its position.",
	})
}

// Run keeps the index equal to the log until ctx ends.
func (i *Index) Run(ctx context.Context) error { return newIndexer(i).run(ctx) }
