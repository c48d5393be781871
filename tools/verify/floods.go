package verify

import (
	"sync"
	"time"
)

// floods make a node drop events for slow readers. During a flood most sends are
// long texts to a conversation of one slow reader. One flood runs at a time.
type floods struct {
	mu    sync.Mutex
	id    string // the conversation; "" for none
	sent  int    // bytes answered since it began
	until time.Time
	next  time.Time // the earliest start of the next flood
}

const (
	// floodBytes are sent in one flood: more than a node queues for a socket (1
	// MiB) plus the buffers in between.
	floodBytes = 3 << 20
	// floodText is the length of one text; content may have 32 KiB.
	floodText = 30_000
	// floodTime bounds a flood. A socket that takes no byte for 30 s is closed.
	floodTime = 15 * time.Second
	// floodRest is the pause between two floods.
	floodRest = 10 * time.Second
)

// begin starts a flood if one is due, and reports whether it did.
func (f *floods) begin(id string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.id != "" || now.Before(f.next) {
		return false
	}
	f.id, f.sent, f.until = id, 0, now.Add(floodTime)
	return true
}

// now returns the conversation of the flood, or "". It ends a flood that is over.
func (f *floods) now(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.id != "" && (f.sent >= floodBytes || now.After(f.until)) {
		f.id, f.next = "", now.Add(floodRest)
	}
	return f.id
}

// add counts bytes of sends that were answered. Bytes in flight do not count,
// because they may not have been pushed yet.
func (f *floods) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent += n
}
