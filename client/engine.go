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
	maxPulls     = 4   // concurrent pulls of one connection
	pullEvents   = 500 // events requested by one pull
	acksPerFrame = 500
	// syncEvents is how many of the newest events of each changed conversation come
	// with a sync, maxSyncEvents how many may be requested.
	syncEvents    = 20
	maxSyncEvents = 50
)

// engine is the client's side of the protocol: frames go in, frames and deliveries
// come out. It does no I/O, starts no goroutine and is not safe for concurrent use;
// the Client locks.
type engine struct {
	history int
	logger  *slog.Logger
	now     func() time.Time

	send   func([]byte) // queues a frame for the server; nil without a session
	limits Limits
	epoch  string
	// isNew: this device has not completed a sync of the epoch yet.
	isNew bool
	// voided: a new epoch voided what this device had been handed. What the server
	// says of the device's acknowledgements is then of the former epoch.
	voided    bool
	positions map[ConversationID]int64 // of conversations without a stream
	streams   map[ConversationID]*stream
	mirror    mirror
	outbox    outbox
	inbox     inbox
	acks      map[ConversationID]int64 // not sent to the server yet
	pulls     []*stream                // wait to be pulled
	pulling   int                      // pulls under way
	syncs     syncing
	repairs   backoff   // between the syncs that settle doubts of the mirror
	repairAt  time.Time // of the next one; zero: there are no doubts
	watched   []UserID
	lastID    int   // of a request
	online    bool  // a sync was completed once
	fault     error // why the connection is to be closed
}

func newEngine(history int, logger *slog.Logger, delay backoff) *engine {
	return &engine{
		history: history, logger: logger, now: time.Now, limits: domain.DefaultLimits(),
		positions: map[ConversationID]int64{}, streams: map[ConversationID]*stream{},
		mirror: newMirror(),
		acks:   map[ConversationID]int64{}, outbox: outbox{delay: delay},
		syncs: syncing{unknown: map[ConversationID]span{}}, repairs: backoff{first: RepairDelay, most: MaxRepairDelay},
	}
}

// restore starts from stored positions.
func (e *engine) restore(p Positions) {
	e.epoch, e.isNew = p.Epoch, p.Epoch == ""
	for id, seq := range p.Seqs {
		e.positions[id] = seq
	}
}

// welcomed begins a session, to which send queues frames. During a session it only
// takes over what a renewed token changed.
func (e *engine) welcomed(w *welcomeFrame, send func([]byte)) {
	e.mirror.self = w.UserID
	if w.Limits.RequestsInFlight > 0 && w.Limits.PageEvents > 0 {
		e.limits = w.Limits
	}
	if e.send != nil {
		return
	}
	if w.Epoch != e.epoch {
		e.begin(w.Epoch)
	}
	e.send = send
	for id, s := range e.streams {
		if v := e.mirror.views[id]; v != nil && s.handled > v.AckedSeq {
			e.acks[id] = s.handled // the former session may have lost it
		}
		e.want(s)
	}
	e.sync()
	e.watch()
	e.flush()
}

// begin starts an epoch. Unless it is the first one of the store, it voids
// everything that the device holds.
func (e *engine) begin(epoch string) {
	if e.epoch != "" {
		clear(e.positions)
		clear(e.streams)
		e.mirror.clear()
		clear(e.acks)
		clear(e.syncs.unknown)
		e.inbox.reset(epoch)
		e.voided = true
	}
	e.syncs.cursor = ""
	e.epoch, e.isNew = epoch, true
}

// take returns up to n deliveries for the callbacks.
//
// After a reset it holds them back until the first sync of the epoch is complete.
// Then the first save of the epoch contains a position for every conversation. A
// crash before it repeats the reset; a crash after it does not lose where to start.
func (e *engine) take(n int) batch {
	if e.holdsBack() {
		return e.inbox.takeNotices()
	}
	return e.inbox.take(n, e.epoch)
}

func (e *engine) holdsBack() bool { return e.voided && e.isNew }

// hasWork reports whether take would return anything.
func (e *engine) hasWork() bool {
	return e.inbox.hasNotices() || !e.holdsBack() && (len(e.inbox.deliveries) > 0 || e.inbox.save)
}

// disconnected ends the session. Calls without an answer wait for the next one.
func (e *engine) disconnected() {
	e.send, e.fault = nil, nil
	e.outbox.disconnected()
	e.pulls, e.pulling = nil, 0
	e.syncs.disconnected()
	for _, s := range e.streams {
		s.waiting, s.pulling, s.ahead = false, false, nil
	}
}

// receive handles one frame of a session. After an error the connection is to be
// closed.
func (e *engine) receive(data []byte) error {
	var head envelope
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("frame is not a JSON object: %w", err)
	}
	if err := e.handle(&head, data); err != nil {
		return fmt.Errorf("decode %s frame: %w", head.Type, err)
	}
	if head.ID != "" && head.Type != "error" {
		e.outbox.answered(e.now(), head.ID, data, nil)
	}
	e.flush()
	return e.fault
}

func (e *engine) handle(head *envelope, data []byte) error {
	switch head.Type {
	case "event":
		return decode(data, func(f *eventFrame) { e.push(f.Event) })
	case "gap":
		return decode(data, e.gap)
	case "conversation":
		return decode(data, func(f *conversationFrame) { e.view(f.Conversation) })
	case "read_state":
		return decode(data, e.readState)
	case "error":
		return decode(data, func(f *errorFrame) { e.refused(head.ID, f) })
	case "typing":
		return decode(data, func(s *Typing) { e.inbox.addSignal(*s) })
	case "presence":
		return decode(data, func(s *Presence) { e.inbox.addSignal(*s) })
	case "receipt":
		return decode(data, func(s *Receipt) { e.inbox.addSignal(*s) })
	case "notice":
		return decode(data, func(s *Notice) { e.inbox.addSignal(*s) })
	}
	return nil // of a later version of the contract
}

// decode decodes a frame and calls handle with it.
func decode[T any](data []byte, handle func(*T)) error {
	var frame T
	if err := json.Unmarshal(data, &frame); err != nil {
		return err
	}
	handle(&frame)
	return nil
}

func (e *engine) refused(id string, f *errorFrame) {
	if id == "" {
		e.logger.Warn("the server refused a frame that expects no answer", "code", f.Code, "reason", f.Message)
		return
	}
	e.outbox.answered(e.now(), id, nil, f)
}

// call queues a request; build returns its frame for the request's id.
func (e *engine) call(c *call, build func(id string) any) {
	e.lastID++
	c.id = strconv.Itoa(e.lastID)
	c.frame = encode(build(c.id))
	e.outbox.add(c)
}

// tick sends what had to wait for time to pass.
func (e *engine) tick() {
	e.acknowledge()
	e.flush()
}

// flush sends what may be sent now: pulls while there is room for their pages, then
// the requests that are ready.
func (e *engine) flush() {
	if e.send == nil {
		return
	}
	e.repair()
	for len(e.pulls) > 0 && e.pulling < maxPulls && e.inbox.hasRoom() {
		s := e.pulls[0]
		e.pulls = e.pulls[1:]
		e.pull(s)
	}
	for _, c := range e.outbox.ready(e.now(), e.limits.RequestsInFlight) {
		if most := e.limits.FrameBytes; most > 0 && len(c.frame) > most {
			// It would close the socket for good, and do so again after the next start.
			e.outbox.remove(c)
			c.answer(nil, ErrTooLarge)
			continue
		}
		e.send(c.frame)
	}
}

// acknowledge sends acknowledgements, up to a frame of them.
func (e *engine) acknowledge() {
	if e.send == nil || len(e.acks) == 0 {
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
	e.send(encode(ackFrame{Type: "ack", Acks: chunk}))
}

// handled records that everything up to seq was handed over and saved.
func (e *engine) handled(id ConversationID, seq int64) {
	if s := e.streams[id]; s != nil {
		s.handled = seq
		e.acks[id] = seq
		return
	}
	e.positions[id] = max(e.positions[id], seq)
}

// watch sends the list of watched users, which the server keeps for one session.
func (e *engine) watch() {
	if e.send != nil && e.watched != nil {
		e.send(encode(watchFrame{Type: "watch", UserIDs: e.watched}))
	}
}
