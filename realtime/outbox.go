package realtime

import (
	"sync"

	"im/domain"
)

const (
	// batchBytes is about how much one system call writes.
	batchBytes = 64 << 10
	// burst is how many frames often come together.
	burst = 8
	// gapConversations is how many conversations one gap frame names.
	gapConversations = 500
)

// outbox is what waits to be written to one socket. It is bounded in bytes:
// beyond the bound events are given up for one gap for each conversation, and
// signals are dropped, those of typing and presence from half of it on. Answers are never dropped; who makes more of them waits
// for room first. No method blocks.
type outbox struct {
	limit int
	// start begins the writing goroutine. It is called with mu held, when
	// something is queued and nobody writes.
	start func()
	// ending is called once, with mu held, when the last frame is queued.
	ending func()
	// done is closed when nothing will be written any more.
	done chan struct{}

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	gaps    map[domain.ConversationID]int64 // the highest seq given up
	room    chan struct{}                   // closed when there is room again; nil while nobody waits
	writing bool
	ended   bool // the last frame is queued or nothing more is taken
	code    closeCode
}

func newOutbox(limit int, start, ending func()) *outbox {
	return &outbox{limit: limit, start: start, ending: ending, done: make(chan struct{})}
}

// answer queues a frame that must not be left out.
func (o *outbox) answer(w wire) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.push(w)
	}
}

// offer queues a frame if there is room for it, and tells whether there was.
func (o *outbox) offer(w wire) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.bytes+len(w) > o.limit {
		return false
	}
	o.push(w)
	return true
}

// offerFleeting is offer for what is the first to be given up: it leaves half of
// the queue to the rest.
func (o *outbox) offerFleeting(w wire) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.bytes+len(w) > o.limit/2 {
		return false
	}
	o.push(w)
	return true
}

// event queues an event, or gives it up. Events of one conversation have to
// come in ascending order without a hole.
func (o *outbox) event(id domain.ConversationID, seq int64, w wire) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if _, gap := o.gaps[id]; gap || o.bytes+len(w) > o.limit {
		o.giveUp(id, seq)
		o.tellGaps()
		return
	}
	o.push(w)
}

// skip gives up the events of a conversation up to head.
func (o *outbox) skip(id domain.ConversationID, head int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.giveUp(id, head)
	o.tellGaps()
}

// end queues the close frame as the last one; what was queued before is still
// written. The first code stays.
func (o *outbox) end(code closeCode) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.gaps = nil
	o.push(closeFrame(code))
	o.ended, o.code = true, code
	o.wake()
	o.ending()
}

// abandon drops everything; nothing will be written any more.
func (o *outbox) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended, o.queue, o.bytes, o.gaps = true, nil, 0, nil
	o.wake()
	o.finish()
}

// over tells whether the session has come to its end.
func (o *outbox) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended
}

// full returns a channel that is closed once there is room for answers again,
// or nil while there is.
func (o *outbox) full() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.bytes <= o.limit {
		return nil
	}
	if o.room == nil {
		o.room = make(chan struct{})
	}
	return o.room
}

// take hands the writer what to write next: about batchBytes, in order. With
// nothing left it returns nil, and the writer has to return.
func (o *outbox) take() [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < len(o.queue) && (n == 0 || size+len(o.queue[n]) <= batchBytes) {
		size += len(o.queue[n])
		n++
	}
	if n == 0 {
		o.writing = false
		if o.ended {
			o.finish()
		}
		return nil
	}
	batch := o.queue[:n:n]
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
	}
	o.bytes -= size
	o.tellGaps()
	if o.bytes <= o.limit/2 {
		o.wake()
	}
	return batch
}

// The rest is called with mu held.

func (o *outbox) push(w wire) {
	if o.queue == nil {
		o.queue = make([][]byte, 0, burst)
	}
	o.queue = append(o.queue, w)
	o.bytes += len(w)
	if !o.writing {
		o.writing = true
		o.start()
	}
}

func (o *outbox) giveUp(id domain.ConversationID, seq int64) {
	if o.gaps == nil {
		o.gaps = make(map[domain.ConversationID]int64)
	}
	o.gaps[id] = seq
}

// tellGaps queues the gaps as soon as half of the queue is free, so that the
// events that follow have a chance. While it is not, the writer runs, and will
// call again.
func (o *outbox) tellGaps() {
	if len(o.gaps) == 0 || o.bytes > o.limit/2 {
		return
	}
	part := make(map[domain.ConversationID]int64, min(len(o.gaps), gapConversations))
	for id, head := range o.gaps {
		part[id] = head
		if len(part) == gapConversations {
			o.push(jsonFrame(gapFrame{Type: "gap", Conversations: part, Reason: "slow_reader"}))
			clear(part)
		}
	}
	if len(part) > 0 {
		o.push(jsonFrame(gapFrame{Type: "gap", Conversations: part, Reason: "slow_reader"}))
	}
	o.gaps = nil
}

func (o *outbox) wake() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

func (o *outbox) finish() {
	select {
	case <-o.done:
	default:
		close(o.done)
	}
}
