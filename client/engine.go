package client

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"im/domain"
)

const (
	maxPulls     = 4   // under way at once
	pullEvents   = 500 // asked for with one pull
	acksPerFrame = 500
	// Newest events of each changed conversation that come with a sync, and the
	// most that may be asked for.
	syncEvents    = 20
	maxSyncEvents = 50
)

// engine is the client's side of the protocol: frames go in, frames and
// deliveries come out. It does no I/O, starts nothing and is not safe for
// concurrent use; the Client locks.
type engine struct {
	history int
	logger  *slog.Logger
	now     func() time.Time

	out    func([]byte) // to the server; nil while there is no session
	limits domain.Limits
	epoch  string
	// newcomer: the store was empty, and the first sync is not complete.
	newcomer  bool
	positions map[ConversationID]int64 // of conversations without a stream
	streams   map[ConversationID]*stream
	mirror    mirror
	outbox    outbox
	inbox     inbox
	acks      map[ConversationID]int64 // not yet told to the server
	pulls     []*stream                // waiting for their turn
	underWay  int
	syncs     syncing
	lastID    int
	online    bool  // a sync was completed once
	fault     error // the connection is of no use any more
}

func newEngine(history int, logger *slog.Logger, delay backoff) *engine {
	return &engine{
		history: history, logger: logger, now: time.Now, limits: domain.DefaultLimits(),
		positions: map[ConversationID]int64{}, streams: map[ConversationID]*stream{},
		mirror: mirror{views: map[ConversationID]*Conversation{}},
		acks:   map[ConversationID]int64{}, outbox: outbox{delay: delay},
		syncs: syncing{unknown: map[ConversationID]int64{}},
	}
}

// restore starts from what a store has kept.
func (e *engine) restore(p Positions) {
	e.epoch, e.newcomer = p.Epoch, p.Epoch == ""
	for id, seq := range p.Seqs {
		e.positions[id] = seq
	}
}

// welcomed begins a session: out queues frames for it.
func (e *engine) welcomed(w *welcomeFrame, out func([]byte)) {
	e.mirror.self = w.UserID
	if w.Limits.RequestsInFlight > 0 && w.Limits.PageEvents > 0 {
		e.limits = w.Limits
	}
	if e.out != nil {
		return // the token was renewed; the stream goes on
	}
	if w.Epoch != e.epoch {
		e.begin(w.Epoch)
	}
	e.out = out
	for id, s := range e.streams {
		if v := e.mirror.views[id]; v != nil && s.handled > v.AckedSeq {
			e.acks[id] = s.handled
		}
		e.want(s)
	}
	e.sync()
	e.flush()
}

// begin enters an epoch: the first of this store, or one that voids what it holds.
func (e *engine) begin(epoch string) {
	if e.epoch != "" {
		clear(e.positions)
		clear(e.streams)
		clear(e.mirror.views)
		clear(e.acks)
		clear(e.syncs.unknown)
		e.inbox.reset(epoch)
	}
	e.syncs.cursor = ""
	e.epoch, e.newcomer = epoch, true
}

// lost ends the session; what was not answered waits for the next one.
func (e *engine) lost() {
	e.out, e.fault = nil, nil
	e.outbox.disconnected()
	e.pulls, e.underWay = nil, 0
	e.syncs.lost()
	for _, s := range e.streams {
		s.waiting, s.pulling, s.ahead = false, false, nil
	}
}

// receive takes one frame of a session. An error means that the connection is
// to be given up.
func (e *engine) receive(data []byte) error {
	var head envelope
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("a frame that is no JSON object: %w", err)
	}
	var err error
	switch head.Type {
	case "event":
		err = read(data, func(f *eventFrame) { e.push(f.Event) })
	case "gap":
		err = read(data, e.gap)
	case "conversation":
		err = read(data, func(f *conversationFrame) { e.view(f.Conversation) })
	case "read_state":
		err = read(data, e.readState)
	case "error":
		err = read(data, func(f *errorFrame) { e.refused(head.ID, f) })
	}
	if err != nil {
		return fmt.Errorf("a %s frame that cannot be read: %w", head.Type, err)
	}
	if head.ID != "" && head.Type != "error" {
		e.outbox.answered(e.now(), head.ID, data, nil)
	}
	e.flush()
	return e.fault
}

func read[T any](data []byte, take func(*T)) error {
	var frame T
	if err := json.Unmarshal(data, &frame); err != nil {
		return err
	}
	take(&frame)
	return nil
}

func (e *engine) refused(id string, f *errorFrame) {
	if id == "" {
		e.logger.Warn("the server refused a frame", "code", f.Code, "reason", f.Message)
		return
	}
	e.outbox.answered(e.now(), id, nil, f)
}

// call queues a request; build makes its frame from the id that it got.
func (e *engine) call(c *call, build func(id string) any) {
	e.lastID++
	c.id = strconv.Itoa(e.lastID)
	c.frame = encode(build(c.id))
	e.outbox.add(c)
}

// tick is called every now and then: it sends what had to wait.
func (e *engine) tick() {
	e.acknowledge()
	e.flush()
}

// flush sends what may go out: pulls while there is room for what they bring,
// then the requests that are ready.
func (e *engine) flush() {
	if e.out == nil {
		return
	}
	for len(e.pulls) > 0 && e.underWay < maxPulls && e.inbox.room() {
		s := e.pulls[0]
		e.pulls = e.pulls[1:]
		e.pull(s)
	}
	for _, c := range e.outbox.ready(e.now(), e.limits.RequestsInFlight) {
		e.out(c.frame)
	}
}

func (e *engine) acknowledge() {
	if e.out == nil || len(e.acks) == 0 {
		return
	}
	chunk := make(map[ConversationID]int64, min(len(e.acks), acksPerFrame))
	for id, seq := range e.acks {
		chunk[id] = seq
		delete(e.acks, id)
		if len(chunk) == acksPerFrame {
			break
		}
	}
	e.out(encode(ackFrame{Type: "ack", Acks: chunk}))
}

// handled notes that the callback is done with an event.
func (e *engine) handled(id ConversationID, seq int64) {
	if s := e.streams[id]; s != nil {
		s.handled = seq
		e.acks[id] = seq
		return
	}
	e.positions[id] = max(e.positions[id], seq)
}
