package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"im/domain"
)

const (
	shallowEvents = 100_000
	deepEvents    = 1_000_000
	depthInFlight = 256
	depthActive   = 100 // conversations that receive appends, spread evenly over all
	historyPage   = 100 // events
)

func depthCases(o Options) (cases []scenario) {
	deep := o.Events
	if deep == 0 {
		deep = deepEvents
	}
	for _, events := range []int64{min(shallowEvents, deep), deep} {
		d := &depth{events: events}
		cases = append(cases, scenario{
			label: fmt.Sprintf("%d events", events), appends: limitMetric,
			against: []string{limitMetric, "page_p50"}, run: d.run, close: d.close,
		})
	}
	return cases
}

// depth is a database with many events. The runs of a case share it.
type depth struct {
	events        int64
	temp          *tempStore
	conversations int
}

func (d *depth) close() error {
	if d.temp == nil {
		return nil
	}
	return d.temp.close()
}

// run appends to a few conversations and then reads pages of all.
func (d *depth) run(ctx context.Context, r *run) (_ []Metric, err error) {
	if d.temp == nil {
		if d.temp, err = openTempStore(ctx, r.cluster.database, "im_bench_"+r.tag); err != nil {
			return nil, err
		}
		if d.conversations, err = seed(ctx, d.temp.url, d.events, r.say); err != nil {
			return nil, err
		}
	}
	a := newAppends(r, d.temp.store)
	for i := range depthActive {
		n := i * d.conversations / depthActive
		a.conversations = append(a.conversations, conversation{seededID(n), [2]domain.UserID{seededUser("a", n), seededUser("b", n)}})
	}
	metrics, err := a.run(ctx, depthInFlight)
	if err != nil {
		return nil, err
	}
	pages, err := d.readPages(ctx, r.Duration)
	return append(metrics, pages...), err
}

// readPages reads one page after another, each at a random place.
func (d *depth) readPages(ctx context.Context, duration time.Duration) ([]Metric, error) {
	took, clock, read := newLatency(), newClock(), int64(0)
	for clock.now() < int64(duration) {
		n := rand.IntN(d.conversations)
		before := 2 + rand.Int64N(eventsPerConversation)
		began := clock.now()
		page, err := d.temp.store.Events(ctx, domain.Actor{User: seededUser("a", n)}, seededID(n), domain.Range{BeforeSeq: &before, Limit: historyPage})
		if err != nil {
			return nil, err
		}
		if want := min(historyPage, before-1); int64(len(page.Events)) != want {
			return nil, errors.New("a page of history is incomplete")
		}
		took.add(0, clock.now()-began)
		read++
	}
	rate := Metric{"pages", "page/s", float64(read) / duration.Seconds()}
	return append([]Metric{rate}, took.percentiles("page", 50, 99)...), nil
}
