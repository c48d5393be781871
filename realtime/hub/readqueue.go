package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"im/domain"
	"im/realtime/ws"
)

// readQueue is the queue of the conversations for which the log has to be read.
// Each is in it at most once, so their number bounds it.
type readQueue struct {
	wake chan struct{}

	mu      sync.Mutex
	queue   []domain.ConversationID
	stalled []domain.ConversationID
}

func newReadQueue() readQueue { return readQueue{wake: make(chan struct{}, 1)} }

func (q *readQueue) add(id domain.ConversationID) {
	q.mu.Lock()
	q.queue = append(q.queue, id)
	q.mu.Unlock()
	q.wakeReader()
}

func (q *readQueue) wakeReader() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for a conversation; it reports false when ctx has ended.
func (q *readQueue) next(ctx context.Context) (domain.ConversationID, bool) {
	for {
		if ctx.Err() != nil {
			return domain.ConversationID{}, false
		}
		if id, ok := q.pop(); ok {
			return id, true
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
		}
	}
}

func (q *readQueue) pop() (id domain.ConversationID, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		q.queue = nil
		return id, false
	}
	id = q.queue[0]
	if q.queue = q.queue[1:]; len(q.queue) > 0 {
		q.wakeReader() // wake holds one signal only, so each reader wakes the next
	}
	return id, true
}

func (q *readQueue) addStalled(id domain.ConversationID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stalled = append(q.stalled, id)
}

func (q *readQueue) takeStalled() []domain.ConversationID {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.stalled
	q.stalled = nil
	return list
}

func (h *Hub) runReader(ctx context.Context) {
	for {
		id, ok := h.pending.next(ctx)
		if !ok {
			return
		}
		h.readMissing(ctx, id)
	}
}

// readMissing reads from the log until the conversation needs no more. After a
// failure the conversation is stalled until the next tick of the tail.
func (h *Hub) readMissing(ctx context.Context, id domain.ConversationID) {
	sh := h.shard(id)
	for {
		sh.mu.Lock()
		v := sh.conversations[id]
		if v == nil {
			sh.mu.Unlock()
			return
		}
		if !v.needsReading() {
			v.state = idle
			h.schedule(sh, v)
			sh.mu.Unlock()
			return
		}
		behind, recheck := v.head > v.pushed, v.recheck > 0
		sh.mu.Unlock()

		var err error
		switch {
		case behind:
			err = h.fillHole(ctx, sh, v)
		case recheck:
			err = h.recheckMembership(ctx, sh, v)
		default:
			err = h.addJoining(ctx, sh, v)
		}
		if err != nil {
			h.o.Logger.Warn("log not read for pushes, retrying", "conversation", id.String(), "error", err)
			h.metrics.stalled.Inc()
			sh.mu.Lock()
			v.state = stalled
			sh.mu.Unlock()
			h.pending.addStalled(id)
			return
		}
	}
}

// retryStalled schedules the stalled conversations again.
func (h *Hub) retryStalled() {
	for _, id := range h.pending.takeStalled() {
		sh := h.shard(id)
		sh.mu.Lock()
		if v := sh.conversations[id]; v != nil {
			if v.state == stalled {
				v.state = idle
			}
			h.schedule(sh, v)
		}
		sh.mu.Unlock()
	}
}

var (
	errHole     = errors.New("the log has a hole")
	errHeadLost = errors.New("the log ends below a seq that was seen as committed")
)

// fillHole reads once from the log what is missing up to the head, and pushes it.
func (h *Hub) fillHole(ctx context.Context, sh *shard, v *conversation) error {
	sh.mu.Lock()
	after, upto := v.pushed, v.head
	sh.mu.Unlock()
	if after >= upto {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	began := time.Now()
	events, err := h.o.Log.LogRange(ctx, v.id, after, upto)
	h.metrics.reads.Observe(time.Since(began).Seconds())
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return h.reportHeadLost(ctx, v, upto)
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conversations[v.id] != v {
		return nil
	}
	h.apply(v, events, ws.PathTail, nil)
	if v.pushed <= after {
		return errHole
	}
	return nil
}

// recheckMembership reads once the events at or below base that the feed names,
// for the changes of membership among them.
func (h *Hub) recheckMembership(ctx context.Context, sh *shard, v *conversation) error {
	sh.mu.Lock()
	from, upto := v.recheck, v.base
	sh.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	events, err := h.o.Log.LogRange(ctx, v.id, from-1, upto)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h.apply(v, events, ws.PathTail, nil)
	if v.recheck != from {
		return nil // the feed has named an earlier one
	}
	if v.recheck = from + int64(len(events)); len(events) == 0 || v.recheck > upto {
		v.recheck = 0
	}
	return nil
}

// reportHeadLost reports that the log ends below seq. If it does, a new epoch
// begins, which resets the hub; otherwise the log is read again.
func (h *Hub) reportHeadLost(ctx context.Context, v *conversation, seq int64) error {
	if err := h.o.Log.HeadLost(ctx, v.id, seq); err != nil {
		return err
	}
	return errHeadLost
}
