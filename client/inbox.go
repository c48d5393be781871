package client

// maxHeld is how many bytes of events wait for the callback before pushes are
// left to be pulled later. A pull under way may exceed it by its page.
const maxHeld = 4 << 20

// delivery is one thing for the callbacks: an event or, if reset, a new epoch.
type delivery struct {
	event Event
	reset bool
	epoch string
}

// batch is what the callbacks get at once.
type batch struct {
	items   []delivery
	starts  map[ConversationID]int64 // positions to save although nothing was handed over
	epoch   string
	save    bool
	status  *Status
	changed bool
	life    int
}

func (b *batch) empty() bool {
	return len(b.items) == 0 && !b.save && b.status == nil && !b.changed
}

// inbox is what waits for the callbacks. Its owner locks.
type inbox struct {
	items   []delivery
	bytes   int
	starts  map[ConversationID]int64
	save    bool
	status  *Status
	changed bool
	life    int // counts resets, so that a batch of an earlier epoch is known
}

func (b *inbox) room() bool { return b.bytes < maxHeld }

func (b *inbox) add(e Event) {
	b.items = append(b.items, delivery{event: e})
	b.bytes += e.Size()
}

// start notes where a conversation begins for this device.
func (b *inbox) start(id ConversationID, seq int64) {
	if b.starts == nil {
		b.starts = map[ConversationID]int64{}
	}
	b.starts[id] = seq
	b.save = true
}

// reset drops what waits, which a new epoch made void.
func (b *inbox) reset(epoch string) {
	*b = inbox{status: b.status, changed: true, life: b.life + 1}
	b.items = []delivery{{reset: true, epoch: epoch}}
}

// take returns what waits, at most n events.
func (b *inbox) take(n int, epoch string) batch {
	n = min(n, len(b.items))
	out := batch{
		items: b.items[:n:n], starts: b.starts, epoch: epoch, save: b.save || n > 0,
		status: b.status, changed: b.changed, life: b.life,
	}
	b.items = b.items[n:]
	if len(b.items) == 0 {
		b.items = nil // not one array for ever
	}
	b.starts, b.save, b.status, b.changed = nil, false, nil, false
	return out
}

// done gives back the room that a batch took.
func (b *inbox) done(out *batch) {
	if out.life != b.life {
		return
	}
	for i := range out.items {
		if !out.items[i].reset {
			b.bytes -= out.items[i].event.Size()
		}
	}
}
