package hub

import (
	"im/domain"
	"im/realtime/wire"
)

// encodedEvent is an event as the sockets of a node share it: encoded once and,
// if there is a member who may not read the message that it edits, once more
// without content.
type encodedEvent struct {
	event    *domain.Event
	target   int64 // the seq that an edit changes; 0 if members may read everything
	full     wire.Frame
	redacted wire.Frame // made when it is first needed
}

// encode encodes an event for the members of the conversation.
func (v *conversation) encode(ev *domain.Event) encodedEvent {
	e := encodedEvent{event: ev, full: wire.Event(ev)}
	if v.sinceJoin {
		e.target = ev.EditOf()
	}
	return e
}

// readableFrom returns the event for a member who may read from seq floor on.
func (e *encodedEvent) readableFrom(floor int64) wire.Frame {
	if e.target == 0 || e.target >= floor {
		return e.full
	}
	if e.redacted == nil {
		redacted := e.event.Redacted(e.target)
		e.redacted = wire.Event(&redacted)
	}
	return e.redacted
}
