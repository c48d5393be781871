package appendlog

import (
	"context"
	"time"

	"im/domain"
	"im/internal/timeline"
	"im/internal/tracing"
)

const (
	// commandTimeout is the default of Options.Timeout.
	commandTimeout = 8 * time.Second
	// fullRetryAfter is the delay named to callers while the queue is full.
	fullRetryAfter = 100 * time.Millisecond
)

// request is a submitted command that waits for its answer.
//
//	state    | where                     | next
//	queued   | queue.waiting             | held; answered, if it times out or Run ends
//	held     | committer.held            | sent, if a batch picks it; answered
//	sent     | committer.held, written   | answered; held again, if nothing was committed
//	answered | nowhere                   |
type request struct {
	cmd      domain.Command
	target   domain.ConversationID
	answer   func(domain.Outcome, error)
	gone     <-chan struct{} // closed when the caller waits no longer
	at       time.Time       // when it was submitted
	due      time.Time       // when it must be answered
	size     int             // in bytes, counted in the queue until it is answered
	written  bool            // it was sent to the server: its outcome must be found out
	alone    bool            // it gets a batch of its own: some command of its last batch was bad
	answered bool
	counted  bool          // how long it was queued
	span     *tracing.Span // until it is answered; nil if it is not traced
}

// abandoned reports whether the caller is gone and the command was never sent.
func (r *request) abandoned() bool {
	select {
	case <-r.gone:
		return !r.written
	default:
		return false
	}
}

// Submit implements domain.Log.
func (l *Log) Submit(ctx context.Context, cmd domain.Command, done func(domain.Outcome, error)) {
	if timeline.On() {
		mark(timeline.Queued, cmd)
	}
	now := time.Now()
	r := &request{
		cmd: cmd, target: cmd.Target(), answer: done, gone: ctx.Done(),
		at: now, due: now.Add(l.options.Timeout), size: cmd.Size(),
	}
	if l.options.Tracer != nil {
		r.span = l.options.Tracer.Within(ctx, "append")
	}
	if err := l.queue.put(r); err != nil {
		r.endSpan(err)
		l.metrics.answered(domain.Outcome{}, err)
		done(domain.Outcome{}, err)
	}
}

// mark marks a stage of a command that posts a message.
func mark(stage timeline.Stage, cmd domain.Command) {
	if key, ok := cmd.Key(); ok {
		timeline.Mark(stage, key.ClientMsgID)
	}
}
