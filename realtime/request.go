package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"im/domain"
	"im/internal/strictjson"
)

const (
	maxRequestID = 64
	// answering is how many requests of one socket read the database at once.
	answering = 4
)

// handle takes one frame of a session. It fails with a closeCode or an error of
// the connection; what is wrong with the frame is answered.
func (k *socket) handle(ctx context.Context, data []byte) error {
	o, err := strictjson.Parse("", data)
	if err != nil {
		k.out.answer(newErrorFrame(looseID(data), domain.InvalidJSON("", err)))
		return nil
	}
	kind := o.String("type")
	id := requestID(o)
	switch kind {
	case "hello":
		noID(o)
		err = k.renew(ctx, o)
	case "ack":
		noID(o)
		err = k.ack(ctx, o)
	case "typing":
		noID(o)
		err = k.typing(ctx, o)
	case "watch":
		noID(o)
		err = k.watch(o)
	case "ping":
		err = k.ping(ctx, id, o)
	case "read":
		err = k.read(ctx, id, o)
	case "send", "sync", "pull":
		if !o.Has("id") {
			o.Reject("id", "required")
		}
		err = k.request(ctx, kind, id, o)
	default:
		err = unknownFrame(o)
	}
	var code closeCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		return err
	default:
		k.out.answer(newErrorFrame(id, err))
	}
	return nil
}

func (k *socket) request(ctx context.Context, kind, id string, o *strictjson.Object) error {
	switch kind {
	case "send":
		return k.send(ctx, id, o)
	case "sync":
		return k.sync(ctx, id, o)
	default:
		return k.pull(ctx, id, o)
	}
}

// requestID reads the id of a request; "" if there is none, or none that is one.
func requestID(o *strictjson.Object) string {
	id := o.String("id")
	if n := utf8.RuneCountInString(id); o.Has("id") && (n == 0 || n > maxRequestID) {
		o.Reject("id", "must be 1 to 64 characters")
		return ""
	}
	return id
}

// looseID reads the id of a frame that is not strict JSON, so that its sender
// can tell which request was refused; "" if nobody can read one.
func looseID(data []byte) string {
	var frame struct {
		ID string `json:"id"`
	}
	damaged := func() bool { return strings.ContainsAny(frame.ID, "\x00\ufffd") }
	if json.Unmarshal(data, &frame) != nil || utf8.RuneCountInString(frame.ID) > maxRequestID || damaged() {
		return ""
	}
	return frame.ID
}

func noID(o *strictjson.Object) {
	if o.Has("id") {
		o.Reject("id", "unknown field")
	}
}

func unknownFrame(o *strictjson.Object) error {
	if !o.Has("type") {
		return domain.Invalid("/type", "required")
	}
	return domain.Invalid("/type", "unknown type of frame")
}

// complaint is the error for what is wrong with the fields; nil if nothing is.
func complaint(o *strictjson.Object) error {
	fields := o.Complaints()
	if fields == nil {
		return nil
	}
	e := *domain.ErrInvalid
	e.Fields = fields
	return &e
}

// reasonOf is what a parse error of one field says of it.
func reasonOf(err error) string {
	var e *domain.Error
	if errors.As(err, &e) {
		for _, reason := range e.Fields {
			return reason
		}
	}
	return "is not valid"
}

// requests counts what a socket has asked and has no answer to yet, and runs
// what reads the database, a few at once.
type requests struct {
	limit int

	mu       sync.Mutex
	inFlight int
	idle     func() // called once, when nothing is in flight
	waiting  []func()
	running  int
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

// whenIdle lets no request begin any more, and calls f when none is in flight.
func (r *requests) whenIdle(f func()) {
	r.mu.Lock()
	r.idle = f
	now := r.inFlight == 0
	r.mu.Unlock()
	if now {
		f()
	}
}

// queue adds a task, and tells whether a goroutine has to be started for it.
func (r *requests) queue(task func()) (start bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, task)
	if r.running == answering {
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

// query answers a request from another goroutine; no answer, no frame.
func (k *socket) query(ctx context.Context, id string, answer func(context.Context) (wire, error)) error {
	if err := k.admits(domain.RateRead); err != nil {
		return err
	}
	if err := k.requests.begin(); err != nil {
		return err
	}
	start := k.requests.queue(func() {
		defer k.requests.end()
		if k.awaitRoom(ctx) != nil {
			return // the session is over
		}
		if w := k.guard(ctx, id, answer); w != nil {
			k.out.answer(w)
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

// guard turns errors and panics of a request into its answer.
func (k *socket) guard(ctx context.Context, id string, answer func(context.Context) (wire, error)) (w wire) {
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			k.g.o.Logger.Error("panic in a request", "panic", r, "stack", string(debug.Stack()))
			w = newErrorFrame(id, domain.ErrInternal)
		}
	}()
	w, err := answer(ctx)
	if err != nil {
		return k.refusal(ctx, id, err)
	}
	return w
}

// refusal encodes an error for the client, and logs the cause of one that the
// client cannot help.
func (k *socket) refusal(ctx context.Context, id string, err error) wire {
	if coded(err).Code == domain.CodeInternal {
		k.g.o.Logger.ErrorContext(ctx, "request failed", "user", k.session.user, "error", err)
	}
	return newErrorFrame(id, err)
}
