package ws

import (
	"sync"

	"im/domain"
	"im/realtime/wire"
)

const (
	// initialFrames is the initial capacity of a queue: frames often come in
	// bursts of a few.
	initialFrames = 8
	// MaxGapConversations is how many conversations one gap frame names.
	MaxGapConversations = 500
)

// SendQueue holds the frames that wait to be written to one socket. It is
// bounded in bytes. Beyond the limit
//
//   - events are dropped, for one gap frame per conversation;
//   - signals (TrySend) are dropped, those of typing and presence
//     (TrySendDroppable) from half of the limit on;
//   - answers (Send) are still taken; whoever causes them waits for Room first.
//
// No method blocks. The states of a queue:
//
//	idle     nothing is queued           a frame is queued → writing
//	writing  a writer calls Next         Next returns nil  → idle, or done after Close
//	closing  the close frame is queued   nothing more is taken; the writer goes on
//	done     nothing will be written     Abandon leads here from every state
type SendQueue struct {
	limit int
	// startWriter is called with mu held when a frame is queued and no writer
	// runs. It must start one that calls Next until it returns nil.
	startWriter func()
	// onClose is called once, with mu held, when the close frame is queued.
	onClose func()
	done    chan struct{}
	metrics *Metrics
	taken   []*Origin // of the events that Next returned last; the writer's

	mu      sync.Mutex
	queue   [][]byte
	bytes   int                             // of queue
	popped  uint64                          // frames that left queue
	origins []origin                        // of the events in queue
	code    wire.CloseCode                  // of the close frame; 0 without one
	gaps    map[domain.ConversationID]int64 // the highest seq dropped
	room    chan struct{}                   // closed when there is room again; nil if it is not waited for
	writing bool
	closing bool // the close frame is queued, or the queue was abandoned
}

// origin is the origin of the frame with a number. The first frame of a queue has 0.
type origin struct {
	frame uint64
	of    *Origin
}

// NewSendQueue returns an empty queue that holds about limit bytes. Neither
// startWriter nor onClose may block or call the queue.
func NewSendQueue(limit int, startWriter, onClose func()) *SendQueue {
	return &SendQueue{limit: limit, startWriter: startWriter, onClose: onClose, done: make(chan struct{}), metrics: unmeasured}
}

// Measure sets where the queue counts what it drops. Call it before the queue is used.
func (q *SendQueue) Measure(m *Metrics) { q.metrics = m }

// Send queues a frame that must not be dropped.
func (q *SendQueue) Send(f wire.Frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closing {
		q.push(f)
	}
}

// TrySend queues a frame if there is room for it, and reports whether there was.
func (q *SendQueue) TrySend(f wire.Frame) bool { return q.trySend(f, q.limit) }

// TrySendDroppable is TrySend for frames that are dropped first: it leaves half
// of the queue to other frames.
func (q *SendQueue) TrySendDroppable(f wire.Frame) bool { return q.trySend(f, q.limit/2) }

func (q *SendQueue) trySend(f wire.Frame, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing || q.bytes+len(f) > limit {
		q.metrics.lostSignal.Inc()
		return false
	}
	q.push(f)
	return true
}

// SendEvent is PushEvent for an event whose delivery time is not measured: a session
// that joins a conversation gets what is older.
func (q *SendQueue) SendEvent(id domain.ConversationID, seq int64, f wire.Frame) {
	q.PushEvent(id, seq, f, nil)
}

// PushEvent queues an event or drops it for a gap. Call it in ascending order of
// seq, without a hole, for each conversation. Origin is for the metrics; it may be nil.
func (q *SendQueue) PushEvent(id domain.ConversationID, seq int64, f wire.Frame, from *Origin) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return
	}
	if _, dropped := q.gaps[id]; dropped || q.bytes+len(f) > q.limit {
		q.metrics.lostEvents.Inc()
		q.drop(id, seq)
		return
	}
	if from != nil {
		q.origins = append(q.origins, origin{q.popped + uint64(len(q.queue)), from})
	}
	q.push(f)
}

// SkipTo drops the events of a conversation up to head for a gap.
func (q *SendQueue) SkipTo(id domain.ConversationID, head int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closing {
		q.drop(id, head)
	}
}

// Close queues the close frame as the last one. What was queued before is still
// written. Only the first call counts.
func (q *SendQueue) Close(code wire.CloseCode) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return
	}
	q.gaps = nil
	q.push(wire.Close(code))
	q.closing, q.code = true, code
	q.announceRoom()
	q.onClose()
}

// Abandon drops everything. Nothing more will be written.
func (q *SendQueue) Abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing, q.queue, q.bytes, q.gaps, q.origins = true, nil, 0, nil, nil
	q.announceRoom()
	q.finish()
}

// Closing reports whether Close or Abandon was called.
func (q *SendQueue) Closing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closing
}

// Code returns the code of Close; 0 if the queue was not closed by it.
func (q *SendQueue) Code() wire.CloseCode {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.code
}

// Bytes returns how many bytes wait.
func (q *SendQueue) Bytes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// Origins returns the origins of the events that Next has returned last. Only the writer
// may call it.
func (q *SendQueue) Origins() []*Origin { return q.taken }

// Done returns a channel that is closed when nothing more will be written.
func (q *SendQueue) Done() <-chan struct{} { return q.done }

// Room returns nil if there is room for answers. Otherwise it returns a channel
// that is closed when half of the queue is free.
func (q *SendQueue) Room() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing || q.bytes <= q.limit {
		return nil
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room
}

// Next returns the frames to write next, about one system call's worth, in
// order. If it returns nil, the writer must return.
func (q *SendQueue) Next() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.queue) && (n == 0 || size+len(q.queue[n]) <= maxWriteBatch) {
		size += len(q.queue[n])
		n++
	}
	if n == 0 {
		q.writing, q.taken = false, nil // an idle socket keeps no buffer
		if q.closing {
			q.finish()
		}
		return nil
	}
	batch := q.queue[:n:n]
	if q.queue = q.queue[n:]; len(q.queue) == 0 {
		q.queue = nil
	}
	q.bytes -= size
	q.popped += uint64(n)
	q.takeOrigins()
	q.sendGaps()
	if q.bytes <= q.limit/2 {
		q.announceRoom()
	}
	return batch
}

// The methods below require q.mu.

func (q *SendQueue) push(f wire.Frame) {
	if q.queue == nil {
		q.queue = make([][]byte, 0, initialFrames)
	}
	q.queue = append(q.queue, f)
	q.bytes += len(f)
	if !q.writing {
		q.writing = true
		q.startWriter()
	}
}

// takeOrigins moves the origins of the frames that have left the queue to taken.
func (q *SendQueue) takeOrigins() {
	n := 0
	q.taken = q.taken[:0]
	for n < len(q.origins) && q.origins[n].frame < q.popped {
		q.taken = append(q.taken, q.origins[n].of)
		n++
	}
	if q.origins = q.origins[n:]; len(q.origins) == 0 {
		q.origins = nil
	}
}

func (q *SendQueue) drop(id domain.ConversationID, seq int64) {
	if q.gaps == nil {
		q.gaps = make(map[domain.ConversationID]int64)
	}
	q.gaps[id] = seq
	q.sendGaps()
}

// sendGaps queues the gap frames once half of the queue is free, so that the
// events after the gap have a chance to fit. Until then a writer is running, and
// Next calls it again.
func (q *SendQueue) sendGaps() {
	if len(q.gaps) == 0 || q.bytes > q.limit/2 {
		return
	}
	q.metrics.gaps.Add(float64(len(q.gaps)))
	part := make(map[domain.ConversationID]int64, min(len(q.gaps), MaxGapConversations))
	for id, head := range q.gaps {
		part[id] = head
		if len(part) == MaxGapConversations {
			q.push(wire.Gap(part, wire.GapSlowReader))
			clear(part)
		}
	}
	if len(part) > 0 {
		q.push(wire.Gap(part, wire.GapSlowReader))
	}
	q.gaps = nil
}

func (q *SendQueue) announceRoom() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

func (q *SendQueue) finish() {
	select {
	case <-q.done:
	default:
		close(q.done)
	}
}
