package verify

import (
	"sync"
	"time"
)

// floods have sessions that do not read overflow: while one lasts, most of what is
// sent are long texts for a conversation of one such reader. There is one at a time.
type floods struct {
	mu    sync.Mutex
	id    string // the conversation; "" for none
	sent  int    // bytes that were answered, since it began
	until time.Time
	next  time.Time // before it none begins
}

const (
	// floodBytes are sent in one flood: more than what a node keeps for a socket,
	// 1 MiB, and the buffers between.
	floodBytes = 3 << 20
	// floodText is the length of one text; a whole content may have 32 KiB.
	floodText = 30_000
	// floodTime is how long a flood lasts at most: who takes no byte for 30 s is
	// closed.
	floodTime = 15 * time.Second
	// floodRest is how long there is none after one.
	floodRest = 10 * time.Second
)

// begin begins a flood, if it is time for one.
func (f *floods) begin(id string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.id != "" || now.Before(f.next) {
		return false
	}
	f.id, f.sent, f.until = id, 0, now.Add(floodTime)
	return true
}

// now returns the conversation of the flood; "" for none.
func (f *floods) now(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.id != "" && (f.sent >= floodBytes || now.After(f.until)) {
		f.id, f.next = "", now.Add(floodRest)
	}
	return f.id
}

// add counts what was answered as sent: what is under way may not have been pushed.
func (f *floods) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent += n
}
