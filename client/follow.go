package client

import (
	"encoding/json"

	"im/domain"
	"im/internal/eventjson"
)

// push takes a pushed event.
func (e *engine) push(event Event) {
	s := e.streams[event.ConversationID]
	if s == nil {
		e.unknown(event.ConversationID, event.Seq)
		return
	}
	e.deliver(s.push(event, e.inbox.room()))
	e.want(s)
}

// gap takes the heads up to which the server left pushes out.
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

// view takes a conversation as the server shows it now.
func (e *engine) view(v Conversation) {
	s := e.streams[v.ConversationID]
	if s == nil {
		s = e.begins(&v)
	}
	e.mirror.put(v)
	e.inbox.changed = true
	e.syncs.listed(v.ConversationID)
	s.head = max(s.head, v.HeadSeq)
	if s.handled > v.AckedSeq {
		e.acks[s.id] = s.handled
	}
	if len(v.Events) > 0 && !s.pulling && e.inbox.room() {
		e.deliver(s.page(&domain.EventPage{Events: v.Events, HeadSeq: v.HeadSeq, FloorSeq: v.FloorSeq}))
	}
	e.want(s)
}

// begins makes the stream of a conversation that has none.
func (e *engine) begins(v *Conversation) *stream {
	id := v.ConversationID
	position, known := e.positions[id]
	if !known {
		position, known = v.AckedSeq, v.AckedSeq > 0
	}
	if !known {
		position = e.beginning(v)
		e.inbox.start(id, position)
	}
	delete(e.positions, id)
	delete(e.syncs.unknown, id)
	s := &stream{id: id, accepted: position, handled: position, head: v.HeadSeq, fresh: !known}
	e.streams[id] = s
	return s
}

// beginning is the position to start from in a conversation that this device
// has never seen: the newest events as asked for and, if the conversation came
// later than the device, everything since the user joined. (Joining moves the
// user's read_seq to its own seq.)
func (e *engine) beginning(v *Conversation) int64 {
	floor := max(v.FloorSeq-1, 0)
	if e.history == Everything {
		return floor
	}
	position := v.HeadSeq - int64(e.history)
	if !e.newcomer {
		position = min(position, v.ReadSeq-1)
	}
	if pushed, ok := e.syncs.unknown[v.ConversationID]; ok {
		position = min(position, pushed-1)
	}
	return max(position, floor)
}

// deliver queues events that are next in order for the callback.
func (e *engine) deliver(events []Event) {
	for i := range events {
		event := &events[i]
		if event.Sender == e.mirror.self && event.ClientMsgID != "" {
			e.outbox.arrived(event, e.mirror.peer(event.ConversationID))
		}
		e.mirror.apply(event)
		e.inbox.add(*event)
		if e.leaves(event) {
			e.drop(event.ConversationID)
		}
	}
	e.inbox.changed = e.inbox.changed || len(events) > 0
}

func (e *engine) leaves(event *Event) bool {
	if event.Type != domain.MemberRemoved {
		return false
	}
	var body domain.MemberRole
	return json.Unmarshal(event.Body, &body) == nil && body.UserID == e.mirror.self
}

// drop forgets a conversation that is no longer the user's, but for the
// position: whoever joins again goes on from there.
func (e *engine) drop(id ConversationID) {
	if s := e.streams[id]; s != nil {
		e.positions[id] = s.accepted
		delete(e.streams, id)
	}
	delete(e.mirror.views, id)
	delete(e.acks, id)
	e.inbox.changed = true
}

// want queues a pull if something is known to be missing.
func (e *engine) want(s *stream) {
	if e.out == nil || s.waiting || s.pulling || !s.behind() || e.streams[s.id] != s {
		return
	}
	s.waiting = true
	e.pulls = append(e.pulls, s)
}

func (e *engine) pull(s *stream) {
	s.waiting = false
	if e.streams[s.id] != s || !s.behind() {
		return
	}
	s.pulling = true
	e.underWay++
	c := &call{ofLink: true, answer: func(frame json.RawMessage, err error) {
		e.underWay--
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
	case e.streams[s.id] != s: // dropped meanwhile
	case err != nil:
		e.logger.Info("a conversation cannot be pulled", "conversation", s.id, "error", err)
		e.drop(s.id)
	case page.Epoch != e.epoch:
		e.fault = errEpoch
	default:
		e.deliver(s.page(&page))
		e.want(s)
	}
}

func (e *engine) readState(f *ReadState) {
	e.mirror.read(*f)
	e.inbox.changed = true
}
