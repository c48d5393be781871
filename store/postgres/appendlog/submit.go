package appendlog

import (
	"context"
	"time"

	"im/domain"
)

const (
	// patience is how long a command waits for its answer before it gets
	// domain.ErrUnavailable, whatever may have become of it.
	patience = 8 * time.Second
	// fullDelay is what is named to those who come when the queue is full.
	fullDelay = 100 * time.Millisecond
)

// entry is a command that waits for its answer.
type entry struct {
	cmd      domain.Command
	target   domain.ConversationID
	answer   func(domain.Outcome, error)
	gone     <-chan struct{} // closed when nobody wants the answer any more
	due      time.Time
	size     int
	written  bool // it has been on its way to the server: its fate is awaited
	alone    bool // it comes in a batch of its own: one of its last batch was bad
	answered bool
}

func (e *entry) forsaken() bool {
	select {
	case <-e.gone:
		return !e.written
	default:
		return false
	}
}

// Submit implements domain.Log.
func (l *Log) Submit(ctx context.Context, cmd domain.Command, done func(domain.Outcome, error)) {
	e := &entry{
		cmd: cmd, target: cmd.Target(), answer: done, gone: ctx.Done(),
		due: time.Now().Add(patience), size: cmd.Size(),
	}
	if err := l.queue.put(e); err != nil {
		done(domain.Outcome{}, err)
	}
}
