package client

// delivery is one item for OnEvent or, if reset, for OnReset.
type delivery struct {
	event Event
	reset bool
	epoch string
}

// batch is what the callbacks get at once.
type batch struct {
	deliveries []delivery
	starts     map[ConversationID]int64 // positions to save although no event was handed over
	epoch      string
	save       bool
	status     *Status
	changed    bool
	signals    []Signal
	life       int
}

func (b *batch) empty() bool {
	return len(b.deliveries) == 0 && !b.save && b.status == nil && !b.changed && len(b.signals) == 0
}

// inbox is what waits for the callbacks. Its owner locks.
type inbox struct {
	deliveries []delivery
	bytes      int // of deliveries, those of the batch under way included
	starts     map[ConversationID]int64
	save       bool
	status     *Status
	changed    bool
	signals    []Signal
	life       int // counts resets, to recognise a batch of an earlier epoch
}

// hasRoom reports whether further events may be queued. A pull under way may exceed
// MaxBuffered by its page.
func (b *inbox) hasRoom() bool { return b.bytes < MaxBuffered }

func (b *inbox) addEvent(e Event) {
	b.deliveries = append(b.deliveries, delivery{event: e})
	b.bytes += e.Size()
}

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

// reset drops the events of the former epoch and queues the call of OnReset.
func (b *inbox) reset(epoch string) {
	*b = inbox{status: b.status, signals: b.signals, changed: true, life: b.life + 1}
	b.deliveries = []delivery{{reset: true, epoch: epoch}}
}

// take returns what waits, at most n deliveries.
func (b *inbox) take(n int, epoch string) batch {
	n = min(n, len(b.deliveries))
	out := b.takeNews()
	out.deliveries, out.starts, out.epoch, out.save = b.deliveries[:n:n], b.starts, epoch, b.save || n > 0
	b.deliveries = b.deliveries[n:]
	if len(b.deliveries) == 0 {
		b.deliveries = nil // so that the array does not grow for ever
	}
	b.starts, b.save = nil, false
	return out
}

// takeNews returns what waits beside deliveries and positions.
func (b *inbox) takeNews() batch {
	out := batch{status: b.status, changed: b.changed, signals: b.signals, life: b.life}
	b.status, b.changed, b.signals = nil, false, nil
	return out
}

// hasNews reports whether takeNews would return anything.
func (b *inbox) hasNews() bool { return b.status != nil || b.changed || len(b.signals) > 0 }

// release gives back the room that the deliveries of a batch took.
func (b *inbox) release(out *batch) {
	if out.life != b.life {
		return
	}
	for i := range out.deliveries {
		if !out.deliveries[i].reset {
			b.bytes -= out.deliveries[i].event.Size()
		}
	}
}
