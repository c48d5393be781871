package realtime

import (
	"context"
	"errors"
	"sync"

	"im/domain"
)

// jobs is the queue of conversations for which the log has to be read. Each is
// in it once at most, so the conversations bound it.
type jobs struct {
	wake chan struct{}

	mu      sync.Mutex
	queue   []domain.ConversationID
	stalled []domain.ConversationID
}

func newJobs() jobs { return jobs{wake: make(chan struct{}, 1)} }

func (j *jobs) add(id domain.ConversationID) {
	j.mu.Lock()
	j.queue = append(j.queue, id)
	j.mu.Unlock()
	j.ring()
}

func (j *jobs) ring() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// next waits for a conversation; false when ctx has ended.
func (j *jobs) next(ctx context.Context) (domain.ConversationID, bool) {
	for {
		if ctx.Err() != nil {
			return domain.ConversationID{}, false
		}
		if id, ok := j.pop(); ok {
			return id, true
		}
		select {
		case <-j.wake:
		case <-ctx.Done():
		}
	}
}

func (j *jobs) pop() (id domain.ConversationID, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		j.queue = nil
		return id, false
	}
	id = j.queue[0]
	if j.queue = j.queue[1:]; len(j.queue) > 0 {
		j.ring() // for the next worker
	}
	return id, true
}

func (j *jobs) stall(id domain.ConversationID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stalled = append(j.stalled, id)
}

func (j *jobs) takeStalled() []domain.ConversationID {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := j.stalled
	j.stalled = nil
	return list
}

func (h *Hub) runJobs(ctx context.Context) {
	for {
		id, ok := h.jobs.next(ctx)
		if !ok {
			return
		}
		h.work(ctx, id)
	}
}

// work reads what a conversation lacks until it lacks nothing. What fails is
// tried again with the next reading of the feed.
func (h *Hub) work(ctx context.Context, id domain.ConversationID) {
	sh := h.shard(id)
	for {
		sh.mu.Lock()
		e := sh.entries[id]
		if e == nil {
			sh.mu.Unlock()
			return
		}
		if !e.lacks() {
			e.busy = false
			h.settle(sh, e)
			sh.mu.Unlock()
			return
		}
		behind, unread := e.target > e.last, e.unread > 0
		sh.mu.Unlock()

		var err error
		switch {
		case behind:
			err = h.fill(ctx, sh, e)
		case unread:
			err = h.reread(ctx, sh, e)
		default:
			err = h.introduce(ctx, sh, e)
		}
		if err != nil {
			h.o.Logger.Warn("reading the log for pushes failed", "conversation", id.String(), "error", err)
			sh.mu.Lock()
			e.busy, e.stalled = false, true
			sh.mu.Unlock()
			h.jobs.stall(id)
			return
		}
	}
}

// retry lets the conversations go on whose jobs failed.
func (h *Hub) retry() {
	for _, id := range h.jobs.takeStalled() {
		sh := h.shard(id)
		sh.mu.Lock()
		if e := sh.entries[id]; e != nil {
			e.stalled = false
			h.settle(sh, e)
		}
		sh.mu.Unlock()
	}
}

var (
	errHole     = errors.New("the log has a hole")
	errHeadLost = errors.New("the log ends below what was committed")
)

// fill reads once from the log what is missing below the target, and pushes it.
func (h *Hub) fill(ctx context.Context, sh *shard, e *entry) error {
	sh.mu.Lock()
	after, upto := e.last, e.target
	sh.mu.Unlock()
	if after >= upto {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	events, err := h.o.Log.LogRange(ctx, e.id, after, upto)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return h.headLost(ctx, e, upto)
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries[e.id] != e {
		return nil
	}
	h.apply(e, events)
	if e.last <= after {
		return errHole
	}
	return nil
}

// reread reads once what the feed names below the beginning of the entry, for
// the changes of membership in it.
func (h *Hub) reread(ctx context.Context, sh *shard, e *entry) error {
	sh.mu.Lock()
	from, upto := e.unread, e.began
	sh.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	events, err := h.o.Log.LogRange(ctx, e.id, from-1, upto)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h.apply(e, events)
	if e.unread != from {
		return nil // the feed named an earlier one meanwhile
	}
	if e.unread = from + int64(len(events)); len(events) == 0 || e.unread > upto {
		e.unread = 0
	}
	return nil
}

// headLost reports a log that ends below what was said to be committed. If that
// is so a new epoch begins, which ends the waiting for it; else it is read again.
func (h *Hub) headLost(ctx context.Context, e *entry, seq int64) error {
	if err := h.o.Log.HeadLost(ctx, e.id, seq); err != nil {
		return err
	}
	return errHeadLost
}
