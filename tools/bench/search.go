package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"im/domain"
)

const (
	searchRate    = 6_000 // messages/s, unless it is set
	searchPoll    = 100 * time.Millisecond
	searchTimeout = time.Minute // for a message to be found
)

// searchCases are a flood of messages while the index follows, and the same while nothing
// updates the index, which shows what it costs.
func searchCases(o Options) []scenario {
	o.Rate = cmp.Or(o.Rate, searchRate)
	rate := fmt.Sprintf("%s msg/s", number(o.Rate))
	cases := []scenario{{
		label: rate, nodes: 1, appends: "acked",
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runSearch(ctx, r, o, true) },
	}}
	if len(o.Target.URLs) == 0 {
		cases = append(cases, scenario{
			label: rate + ", without the index", nodes: 1, appends: "acked",
			run: func(ctx context.Context, r *run) ([]Metric, error) { return runSearch(ctx, r, o, false) },
		})
	}
	return cases
}

func runSearch(ctx context.Context, r *run, o Options, indexed bool) (_ []Metric, err error) {
	defer func(rate float64) { r.Rate = rate }(r.Rate)
	r.Rate = o.Rate
	if !indexed {
		resume, err := r.cluster.stopIndex(ctx)
		if err != nil {
			return nil, err
		}
		defer resume()
		return runPairs(ctx, r, 1, cmp.Or(o.Pairs, directPairs), 1)
	}
	found := newLatency()
	watched, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	var measuring atomic.Bool
	begun := time.AfterFunc(r.Warmup, func() { measuring.Store(true) })
	go func() { done <- r.watchSearch(watched, found, &measuring) }()
	metrics, err := runPairs(ctx, r, 1, cmp.Or(o.Pairs, directPairs), 1)
	begun.Stop()
	stop()
	if err = errors.Join(err, <-done); err != nil {
		return nil, err
	}
	return append(metrics, found.percentiles("found", 50, 100)...), nil
}

// watchSearch posts messages, one after another in new conversations, and measures how
// long after its answer each of them is found.
func (r *run) watchSearch(ctx context.Context, found *latency, measuring *atomic.Bool) error {
	user, clock := r.fixture.user("s", 0), newClock()
	for i := 0; !ended(ctx); i++ {
		id, err := r.fixture.create(ctx, user, domain.Group, r.fixture.user("s", 1))
		if err == nil {
			err = r.fixture.postText(ctx, user, id, i, searchWord(id)+" "+text100)
		}
		switch {
		case ended(ctx):
			return nil
		case err != nil:
			return err
		}
		counts, posted := measuring.Load(), clock.now()
		for !r.isFound(ctx, user, id) {
			if ended(ctx) {
				return nil
			}
			if time.Duration(clock.now()-posted) > searchTimeout {
				return fmt.Errorf("a message was not found within %v", searchTimeout)
			}
			time.Sleep(searchPoll)
		}
		if counts {
			found.add(0, clock.now()-posted)
		}
	}
	return nil
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }

// searchWord returns a word that only the message in a conversation has.
func searchWord(id string) string { return "w" + strings.ReplaceAll(id, "-", "") }

// isFound reports whether a search in a conversation finds a message.
func (r *run) isFound(ctx context.Context, user domain.UserID, id string) bool {
	var page struct{ Items []struct{} }
	query := url.Values{"q": {searchWord(id)}, "conversation_id": {id}}
	err := r.fixture.call(ctx, user, http.MethodGet, "/v1/search/messages?"+query.Encode(), nil, &page)
	return err == nil && len(page.Items) > 0
}

// stopIndex keeps the nodes from updating the search index until resume is called.
func (c *cluster) stopIndex(ctx context.Context) (resume func(), err error) {
	conn, err := connectDatabase(ctx, c.data)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `UPDATE search_slots SET turn = turn + 1, holder = 'bench', held_until = 'infinity'`); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
		defer cancel()
		_, _ = conn.Exec(ctx, `UPDATE search_slots SET held_until = '-infinity'`) // the database is dropped anyway
		_ = conn.Close(ctx)
	}, nil
}
