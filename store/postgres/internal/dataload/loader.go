package dataload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// apace is how many queries of a kind are under way as long as they answer
	// soon. Whoever comes meanwhile is worth more in the next one than alone.
	apace = 2
	// heldUpAfter is how long somebody waits before one more query is begun,
	// whatever those under way are held up by.
	heldUpAfter = 100 * time.Millisecond
	// answerTimeout is how long one waits for an answer at most: as long as read takes.
	answerTimeout = pg.Attempts * pg.AttemptTimeout
)

// Loader has those who ask at the same time share queries. Who asks when few are
// under way has one begun at once; the others wait for one to end and go together
// in the next. An answer always is of a query that began after it was asked for.
// Safe for concurrent use.
type Loader[K, V any] struct {
	one     func(ctx context.Context, key K) (V, error)
	all     func(ctx context.Context, keys []K) ([]V, error) // an answer to each key, in their order
	atOnce  int                                              // keys in one query, at most
	helping int                                              // queries under way, at most, when some are held up

	running sync.WaitGroup
	mu      sync.Mutex
	waiting []*asker[K, V]
	working int
}

// asker waits for an answer. Who is in no round yet is among those waiting.
type asker[K, V any] struct {
	key   K
	round *round[K, V]
	done  chan struct{} // closed when there are value and err
	value V
	err   error
}

// round is a query and those who share it. It ends when the last has left.
type round[K, V any] struct {
	askers []*asker[K, V]
	wanted int
	cancel context.CancelFunc
}

func New[K, V any](
	atOnce, helping int, one func(context.Context, K) (V, error), all func(context.Context, []K) ([]V, error),
) *Loader[K, V] {
	return &Loader[K, V]{one: one, all: all, atOnce: atOnce, helping: max(apace, helping)}
}

// Load returns the answer to key. An error of the query is that of all who share it;
// who does not want to wait any longer leaves alone, with domain.ErrUnavailable.
func (g *Loader[K, V]) Load(ctx context.Context, key K) (V, error) {
	if err := ctx.Err(); err != nil {
		return *new(V), pg.Translate(err)
	}
	if g.alone() {
		defer g.over()
		return g.one(ctx, key)
	}
	return g.share(ctx, key)
}

// alone tells whether to ask alone and at once. over has to be called then.
func (g *Loader[K, V]) alone() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.working >= apace {
		return false
	}
	g.working++
	return true
}

// over has those who came meanwhile go on.
func (g *Loader[K, V]) over() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.working--
	if len(g.waiting) > 0 {
		g.begin()
	}
}

// share asks together with others.
func (g *Loader[K, V]) share(ctx context.Context, key K) (V, error) {
	a := &asker[K, V]{key: key, done: make(chan struct{})}
	g.join(a)
	timer := time.NewTimer(heldUpAfter)
	defer timer.Stop()
	for helped := false; ; helped = true {
		select {
		case <-a.done:
			return a.value, a.err
		case <-ctx.Done():
			g.leave(a)
			return *new(V), pg.Translate(ctx.Err())
		case <-timer.C:
		}
		if helped {
			g.leave(a)
			return *new(V), pg.Translate(context.DeadlineExceeded)
		}
		g.help(a)
		timer.Reset(answerTimeout - heldUpAfter)
	}
}

// Wait waits until nothing is under way. Nobody may ask meanwhile.
func (g *Loader[K, V]) Wait() { g.running.Wait() }

func (g *Loader[K, V]) join(a *asker[K, V]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, a)
	if g.working < apace { // less than a moment ago
		g.begin()
	}
}

// help begins one more query for an asker who is in none yet.
func (g *Loader[K, V]) help(a *asker[K, V]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.round == nil && g.working < g.helping {
		g.begin()
	}
}

// leave takes out who does not wait any more.
func (g *Loader[K, V]) leave(a *asker[K, V]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.round == nil {
		if i := slices.Index(g.waiting, a); i >= 0 {
			g.waiting = slices.Delete(g.waiting, i, i+1)
		}
		return
	}
	if a.round.wanted--; a.round.wanted == 0 {
		a.round.cancel()
	}
}

// begin has one more at work; the mutex is held.
func (g *Loader[K, V]) begin() {
	g.working++
	g.running.Go(func() {
		for g.serve() {
		}
	})
}

// serve asks for some of those who wait. False, and one less is at work, if nobody
// does.
func (g *Loader[K, V]) serve() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := g.next(cancel)
	if r != nil {
		g.answer(ctx, r)
	}
	return r != nil
}

// next makes a round of those who wait, nil if nobody does.
func (g *Loader[K, V]) next(cancel context.CancelFunc) *round[K, V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.atOnce)
	if n == 0 {
		g.working--
		return nil
	}
	r := &round[K, V]{askers: slices.Clone(g.waiting[:n]), wanted: n, cancel: cancel}
	g.waiting = slices.Delete(g.waiting, 0, n)
	for _, a := range r.askers {
		a.round = r
	}
	return r
}

func (g *Loader[K, V]) answer(ctx context.Context, r *round[K, V]) {
	if len(r.askers) == 1 {
		a := r.askers[0]
		a.value, a.err = g.one(ctx, a.key)
		close(a.done)
		return
	}
	keys := make([]K, len(r.askers))
	for i, a := range r.askers {
		keys[i] = a.key
	}
	values, err := g.all(ctx, keys)
	if err == nil && len(values) != len(keys) {
		err = domain.ErrInternal.WithCause(fmt.Errorf("%d answers to %d keys", len(values), len(keys)))
	}
	for i, a := range r.askers {
		if a.err = err; err == nil {
			a.value = values[i]
		}
		close(a.done)
	}
}
