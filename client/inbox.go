package client

// delivery is one item for OnEvent or, if reset, for OnReset.
type delivery struct {
	event Event
	reset bool
	epoch string
}

// batch is what one round of callbacks receives.
type batch struct {
	deliveries []delivery
	starts     map[ConversationID]int64 // positions to save although no event was handed over
	epoch      string
	save       bool
	status     *Status
	changed    bool
	signals    []Signal
	resets     int // inbox.resets when it was taken
}

func (b *batch) empty() bool {
	return len(b.deliveries) == 0 && !b.save && b.status == nil && !b.changed && len(b.signals) == 0
}

// inbox holds what waits for the callbacks. Its owner does the locking.
type inbox struct {
	deliveries []delivery
	bytes      int // of deliveries, including those of the batch that the callbacks are handling
	starts     map[ConversationID]int64
	save       bool // there are positions to save
	status     *Status
	changed    bool // OnChange is to be called
	signals    []Signal
	resets     int // number of resets so far, to recognize a batch from before the last one
}

// hasRoom reports whether further events may be queued. A pull under way may exceed
// MaxBuffered by its page.
func (b *inbox) hasRoom() bool { return b.bytes < MaxBuffered }

func (b *inbox) addEvent(e Event) {
	b.deliveries = append(b.deliveries, delivery{event: e})
	b.bytes += e.Size()
}

// addSignal queues a signal. If MaxSignals wait already, it drops the oldest one.
func (b *inbox) addSignal(s Signal) {
	if len(b.signals) == MaxSignals {
		b.signals = b.signals[1:]
	}
	b.signals = append(b.signals, s)
}

// start records the position from which this device receives a conversation.
func (b *inbox) start(id ConversationID, seq int64) {
	if b.starts == nil {
		b.starts = map[ConversationID]int64{}
	}
	b.starts[id] = seq
	b.save = true
}

// reset drops the events and positions of the earlier epoch, and queues the call of
// OnReset. Signals and the status stay.
func (b *inbox) reset(epoch string) {
	*b = inbox{status: b.status, signals: b.signals, changed: true, resets: b.resets + 1}
	b.deliveries = []delivery{{reset: true, epoch: epoch}}
}

// take removes and returns everything that waits, but at most n deliveries.
func (b *inbox) take(n int, epoch string) batch {
	n = min(n, len(b.deliveries))
	out := b.takeNotices()
	out.deliveries, out.starts, out.epoch, out.save = b.deliveries[:n:n], b.starts, epoch, b.save || n > 0
	b.deliveries = b.deliveries[n:]
	if len(b.deliveries) == 0 {
		b.deliveries = nil // so that the array does not grow for ever
	}
	b.starts, b.save = nil, false
	return out
}

// takeNotices removes and returns what needs no saved position: the status, changes
// and signals.
func (b *inbox) takeNotices() batch {
	out := batch{status: b.status, changed: b.changed, signals: b.signals, resets: b.resets}
	b.status, b.changed, b.signals = nil, false, nil
	return out
}

// hasNotices reports whether takeNotices would return anything.
func (b *inbox) hasNotices() bool { return b.status != nil || b.changed || len(b.signals) > 0 }

// release frees the bytes of a batch whose callbacks have returned.
func (b *inbox) release(out *batch) {
	if out.resets != b.resets {
		return
	}
	for i := range out.deliveries {
		if !out.deliveries[i].reset {
			b.bytes -= out.deliveries[i].event.Size()
		}
	}
}
