package realtime

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"im/domain"
	"im/internal/edge"
	"im/realtime/wire"
)

// maxConcurrentReads is how many requests of one socket read the database at once.
const maxConcurrentReads = 4

// requests counts the requests of a socket that are not yet answered, and queues
// those that read the database.
type requests struct {
	limit int

	mu       sync.Mutex
	inFlight int
	idle     func() // called once, when nothing is in flight
	waiting  []func()
	running  int // goroutines that take from waiting
}

func (r *requests) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle != nil {
		return errDraining()
	}
	if r.inFlight >= r.limit {
		return domain.ErrRateLimited.WithMessage("too many requests in flight").WithRetryAfter(time.Second)
	}
	r.inFlight++
	return nil
}

func (r *requests) end() {
	r.mu.Lock()
	r.inFlight--
	var idle func()
	if r.inFlight == 0 {
		idle = r.idle
	}
	r.mu.Unlock()
	if idle != nil {
		idle()
	}
}

// whenIdle refuses further requests, and calls f when none is in flight.
func (r *requests) whenIdle(f func()) {
	r.mu.Lock()
	r.idle = f
	now := r.inFlight == 0
	r.mu.Unlock()
	if now {
		f()
	}
}

// queue queues a task, and reports whether the caller must start a goroutine that
// calls next until it returns nil.
func (r *requests) queue(task func()) (start bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, task)
	if r.running == maxConcurrentReads {
		return false
	}
	r.running++
	return true
}

func (r *requests) next() func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.waiting = nil
		r.running--
		return nil
	}
	task := r.waiting[0]
	r.waiting = r.waiting[1:]
	return task
}

// query answers the request id of a kind by the frame that answer returns in another
// goroutine. If answer returns nil, nothing is sent.
func (k *socket) query(ctx context.Context, kind, id string, answer func(context.Context) (wire.Frame, error)) error {
	if err := k.admit(domain.RateRead); err != nil {
		return err
	}
	if err := k.requests.begin(); err != nil {
		return err
	}
	began := time.Now()
	start := k.requests.queue(func() {
		defer k.requests.end()
		if k.awaitRoom(ctx) != nil {
			return // the session has ended
		}
		ctx := ctx
		if k.g.o.Tracer != nil {
			ctx, _ = k.g.o.Tracer.Request(ctx, "ws "+kind, began)
		}
		f, err := k.answer(ctx, id, answer)
		endSpan(ctx, err)
		k.g.metrics.done(kind, began, err)
		if f != nil {
			k.queue.Send(f)
		}
	})
	if start {
		k.g.running.Add(1)
		go func() {
			defer k.g.running.Done()
			for task := k.requests.next(); task != nil; task = k.requests.next() {
				task()
			}
		}()
	}
	return nil
}

// answer calls answer with the timeout of requests, and turns an error or a panic
// into an error frame, which it returns beside the error.
func (k *socket) answer(ctx context.Context, id string, answer func(context.Context) (wire.Frame, error)) (f wire.Frame, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			k.g.o.Logger.ErrorContext(ctx, "request failed with a panic", edge.LogRequest, id, "panic", r, "stack", string(debug.Stack()))
			f, err = wire.Error(id, domain.ErrInternal), domain.ErrInternal
		}
	}()
	if f, err = answer(ctx); err != nil {
		f = k.errorFrame(ctx, id, err)
	}
	return f, err
}

// errorFrame encodes an error for the client. It logs an internal one, whose cause
// the client does not see.
func (k *socket) errorFrame(ctx context.Context, id string, err error) wire.Frame {
	if edge.Coded(err).Code == domain.CodeInternal {
		k.g.o.Logger.ErrorContext(ctx, "request failed", edge.LogRequest, id, "user", k.session.User, "error", err)
	}
	return wire.Error(id, err)
}
