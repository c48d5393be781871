package hook

import (
	"sync"

	"im/domain"
)

// order keeps the messages of each sender in their order, while their calls overlap. Each
// message waits for the one before it, as in a chain: it has the channel that the one before
// closes, and closes its own.
//
// The order is by sender, not by socket and conversation: a socket may name one direct
// conversation by its id and by its user, which is not known to be the same one before it
// is looked up. The price is small. A message waits for the other ones of its sender on
// this node, for as long as a call may take.
type order struct {
	limit int // of size

	mu      sync.Mutex
	closed  bool
	size    int                             // bytes of all that have entered
	last    map[domain.UserID]chan struct{} // of the last message of a sender, until it has left
	running sync.WaitGroup
}

// turn is the place of a message in the order of its sender.
type turn struct {
	sender domain.UserID
	size   int
	before <-chan struct{} // closed when the one before has left
	left   chan struct{}
}

// first is the channel before the first message.
var first = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// enter adds a message at the end. It reports false if there is no room for it, or if the
// node stops.
func (o *order) enter(sender domain.UserID, size int) (turn, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.size+size > o.limit {
		return turn{}, false
	}
	o.running.Add(1)
	o.size += size
	t := turn{sender, size, first, make(chan struct{})}
	if last, waits := o.last[sender]; waits {
		t.before = last
	}
	o.last[sender] = t.left
	return t, true
}

// leave lets the next message go on.
func (o *order) leave(t turn) {
	close(t.left)
	o.mu.Lock()
	o.size -= t.size
	if o.last[t.sender] == t.left {
		delete(o.last, t.sender)
	}
	o.mu.Unlock()
	o.running.Done()
}

// close lets nothing enter any more, and waits until all have left.
func (o *order) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.running.Wait()
}

// waiting returns the bytes of the messages that have not left.
func (o *order) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}
