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

	mu      sync.Mutex
	queue   [][]byte
	bytes   int                             // of queue
	gaps    map[domain.ConversationID]int64 // the highest seq dropped
	room    chan struct{}                   // closed when there is room again; nil if it is not waited for
	writing bool
	closing bool // the close frame is queued, or the queue was abandoned
}

// NewSendQueue returns an empty queue that holds about limit bytes. Neither
// startWriter nor onClose may block or call the queue.
func NewSendQueue(limit int, startWriter, onClose func()) *SendQueue {
	return &SendQueue{limit: limit, startWriter: startWriter, onClose: onClose, done: make(chan struct{})}
}

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
		return false
	}
	q.push(f)
	return true
}

// SendEvent queues an event or drops it for a gap. Call it in ascending order of
// seq, without a hole, for each conversation.
func (q *SendQueue) SendEvent(id domain.ConversationID, seq int64, f wire.Frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return
	}
	if _, dropped := q.gaps[id]; dropped || q.bytes+len(f) > q.limit {
		q.drop(id, seq)
		return
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
	q.closing = true
	q.announceRoom()
	q.onClose()
}

// Abandon drops everything. Nothing more will be written.
func (q *SendQueue) Abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing, q.queue, q.bytes, q.gaps = true, nil, 0, nil
	q.announceRoom()
	q.finish()
}

// Closing reports whether Close or Abandon was called.
func (q *SendQueue) Closing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closing
}

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
		q.writing = false
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
	part := make(map[domain.ConversationID]int64, min(len(q.gaps), MaxGapConversations))
	for id, head := range q.gaps {
		part[id] = head
		if len(part) == MaxGapConversations {
			q.push(wire.Gap(part))
			clear(part)
		}
	}
	if len(part) > 0 {
		q.push(wire.Gap(part))
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
