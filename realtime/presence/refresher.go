package presence

import (
	"context"
	"log/slog"
	"time"

	"im/domain"
)

const (
	refreshTick     = 500 * time.Millisecond // how often mass changes are looked for
	refreshInterval = time.Minute            // between lookups of all that is watched
	graceInterval   = time.Second            // the same, in the grace period
	gracePeriod     = 5 * time.Second        // after a mass change, while the registry settles
	maxQueries      = 2_000                  // of one lookup
)

// Refresher looks up what is watched and sends what has changed. It does one
// lookup after another, so that a later state is sent later.
type Refresher struct {
	watches *Watches
	lookup  *Lookup
	logger  *slog.Logger
	timeout time.Duration

	massChanges uint64    // the source's counter, as last seen
	graceEnd    time.Time // the end of the grace period
	refreshed   time.Time // when all watches were last made due
	failing     bool      // the last lookup failed
}

// NewRefresher returns a Refresher. timeout is of one lookup.
func NewRefresher(w *Watches, l *Lookup, logger *slog.Logger, timeout time.Duration) *Refresher {
	return &Refresher{watches: w, lookup: l, logger: logger, timeout: timeout}
}

// Run refreshes until ctx ends.
func (r *Refresher) Run(ctx context.Context) {
	ticker := time.NewTicker(refreshTick)
	defer ticker.Stop()
	r.refreshed = time.Now()
	for {
		select {
		case <-r.watches.wake:
		case now := <-ticker.C:
			r.tick(now)
		case <-ctx.Done():
			return
		}
		for r.refresh(ctx) {
		}
	}
}

// tick makes all watches due once a minute, and once a second in the grace period
// after a mass change.
func (r *Refresher) tick(now time.Time) {
	if n := r.lookup.source.MassChanges(); n != r.massChanges {
		r.massChanges, r.graceEnd, r.refreshed = n, now.Add(gracePeriod), time.Time{}
	}
	interval := refreshInterval
	if now.Before(r.graceEnd) {
		interval = graceInterval
	}
	if now.Sub(r.refreshed) >= interval {
		r.watches.makeAllDue()
		r.refreshed = now
	}
}

// refresh does one lookup, and reports whether more watches may be due.
func (r *Refresher) refresh(ctx context.Context) (more bool) {
	taken := r.watches.take()
	if len(taken) == 0 {
		return false
	}
	queries := make([]domain.PresenceQuery, 0, len(taken))
	for q := range taken {
		queries = append(queries, q)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	answers, err := r.lookup.query(ctx, queries)
	if err != nil {
		for _, list := range taken {
			r.watches.putBack(list)
		}
		if !r.failing {
			r.failing = true
			r.logger.Warn("watched presence not looked up, retrying", "queries", len(queries), "error", err)
		}
		return false
	}
	r.failing = false
	for i, q := range queries {
		r.watches.send(taken[q], answers[i])
	}
	return len(taken) == maxQueries
}
