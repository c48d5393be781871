package client

import (
	"encoding/json"

	"im/domain"
	"im/internal/eventjson"
)

// push handles a pushed event.
func (e *engine) push(event Event) {
	s := e.streams[event.ConversationID]
	if s == nil {
		e.unknown(event.ConversationID, event.Seq)
		return
	}
	e.queue(s.push(event, e.inbox.hasRoom()))
	e.want(s)
}

// gap handles the heads up to which the server left pushes out.
func (e *engine) gap(f *gapFrame) {
	for id, head := range f.Conversations {
		s := e.streams[id]
		if s == nil {
			e.unknown(id, head)
			continue
		}
		s.head = max(s.head, head)
		e.want(s)
	}
}

// view handles the state of a conversation.
func (e *engine) view(v Conversation) {
	s := e.streams[v.ConversationID]
	if s == nil {
		s = e.follow(&v)
	}
	e.mirror.put(v)
	e.inbox.changed = true
	e.syncs.listed(v.ConversationID)
	s.head = max(s.head, v.HeadSeq)
	if s.handled > v.AckedSeq {
		e.acks[s.id] = s.handled
	}
	if len(v.Events) > 0 && !s.pulling && e.inbox.hasRoom() {
		e.queue(s.page(&domain.EventPage{Events: v.Events, HeadSeq: v.HeadSeq, FloorSeq: v.FloorSeq}))
	}
	e.want(s)
}

// follow starts the stream of a conversation that has none: from its stored
// position, else from what the server says this device has acknowledged, else as for
// a new device.
//
// After a new epoch the stored events are void, so it starts as for a new device. It
// does not start above the acknowledgement, though: events that were committed around
// the failover may be in no push, and this device has not handled them yet.
func (e *engine) follow(v *Conversation) *stream {
	id := v.ConversationID
	position, known := e.positions[id]
	if !known && !e.voided {
		position, known = v.AckedSeq, v.AckedSeq > 0
	}
	if !known {
		position = e.firstPosition(v)
		if e.voided && v.AckedSeq > 0 {
			position = max(min(position, v.AckedSeq), v.FloorSeq-1, 0)
		}
		e.inbox.start(id, position)
	}
	s := &stream{id: id, accepted: position, handled: position, head: max(v.HeadSeq, e.syncs.unknown[id].last), fresh: !known}
	delete(e.positions, id)
	delete(e.syncs.unknown, id)
	e.streams[id] = s
	return s
}

// firstPosition returns the position to start from in a conversation that this device
// has never seen: below the newest events that Options.History asks for and, if the
// conversation is younger than the device, below the user's joining. (Joining moves
// the user's read_seq to its own seq.)
func (e *engine) firstPosition(v *Conversation) int64 {
	floor := max(v.FloorSeq-1, 0)
	if e.history == Everything {
		return floor
	}
	position := v.HeadSeq - int64(e.history)
	if !e.isNew {
		position = min(position, v.ReadSeq-1)
	}
	if pushed, ok := e.syncs.unknown[v.ConversationID]; ok {
		position = min(position, pushed.first-1)
	}
	return max(position, floor)
}

// queue queues events that are next in order for OnEvent, and applies them.
func (e *engine) queue(events []Event) {
	for i := range events {
		event := &events[i]
		if event.Sender == e.mirror.self && event.ClientMsgID != "" {
			e.outbox.arrived(event, e.mirror.peer(event.ConversationID))
		}
		e.mirror.apply(event)
		e.inbox.addEvent(*event)
		if e.removesSelf(event) {
			e.drop(event.ConversationID)
		}
	}
	e.inbox.changed = e.inbox.changed || len(events) > 0
}

func (e *engine) removesSelf(event *Event) bool {
	if event.Type != domain.MemberRemoved {
		return false
	}
	var body domain.MemberRole
	return json.Unmarshal(event.Body, &body) == nil && body.UserID == e.mirror.self
}

// drop forgets a conversation that is no longer the user's, except for its position:
// after joining again the device continues from there.
func (e *engine) drop(id ConversationID) {
	if s := e.streams[id]; s != nil {
		e.positions[id] = s.accepted
		delete(e.streams, id)
	}
	e.mirror.drop(id)
	delete(e.acks, id)
	e.inbox.changed = true
}

// want queues a pull if events are known to be missing.
func (e *engine) want(s *stream) {
	if e.send == nil || s.waiting || s.pulling || !s.isBehind() || e.streams[s.id] != s {
		return
	}
	s.waiting = true
	e.pulls = append(e.pulls, s)
}

func (e *engine) pull(s *stream) {
	s.waiting = false
	if e.streams[s.id] != s || !s.isBehind() {
		return
	}
	s.pulling = true
	e.pulling++
	c := &call{ofSession: true, answer: func(frame json.RawMessage, err error) {
		e.pulling--
		s.pulling = false
		e.pulled(s, frame, err)
	}}
	e.call(c, func(id string) any {
		return pullFrame{
			Type: "pull", ID: id, ConversationID: s.id, AfterSeq: s.accepted,
			Limit: max(1, min(pullEvents, e.limits.PageEvents)),
		}
	})
}

func (e *engine) pulled(s *stream, frame json.RawMessage, err error) {
	var page domain.EventPage
	if err == nil {
		page, err = eventjson.DecodePage(frame)
	}
	switch {
	case e.streams[s.id] != s: // dropped while the pull was under way
	case err != nil:
		e.logger.Info("conversation cannot be pulled, dropping it until the server lists it again", "conversation", s.id, "error", err)
		e.drop(s.id)
	case page.Epoch != e.epoch:
		e.fault = errEpoch
	default:
		e.queue(s.page(&page))
		e.want(s)
	}
}

func (e *engine) readState(f *ReadState) {
	e.mirror.read(f)
	e.inbox.changed = true
}
