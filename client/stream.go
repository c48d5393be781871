package client

import (
	"slices"

	"im/domain"
)

// stream puts the events of one conversation in order, on this device. Its positions
// are handled ≤ accepted ≤ head.
//
//	state     condition         changes
//	current   accepted = head   a push of accepted+1: stays; any other new push, a gap or
//	                            a view with a higher head: to behind
//	behind    accepted < head   its turn for a pull: to pulling
//	pulling   pulling is set    a page: to current or behind; the end of the session: to
//	                            behind. Pushes are held, up to maxAhead.
type stream struct {
	id ConversationID
	// accepted: every event up to here was queued for OnEvent, once.
	accepted int64
	// handled: OnEvent has returned for every event up to here, and it is saved.
	handled int64
	// head is the highest seq known to exist.
	head int64
	// waiting: the stream is in engine.pulls; pulling: a pull is under way.
	waiting, pulling bool
	// ahead are pushed events above accepted+1 that wait for the pull under way,
	// ascending and without a hole.
	ahead []Event
	// fresh: the device is new to the conversation and accepted no event yet. accepted
	// was then computed from the first view of the conversation. If the first push is
	// older than that view, it lowers accepted, so that the event is not dropped.
	fresh bool
}

// maxAhead is how many pushed events a stream holds during a pull. Further ones are
// pulled after it.
const maxAhead = 64

// push takes a pushed event and returns the events that are now next in order. Without
// hasRoom it accepts none; they are pulled later.
func (s *stream) push(e Event, hasRoom bool) []Event {
	s.head = max(s.head, e.Seq)
	if s.fresh && e.Seq <= s.accepted {
		s.accepted = e.Seq - 1
	}
	switch {
	case e.Seq <= s.accepted:
		return nil
	case e.Seq == s.accepted+1 && hasRoom:
		return append([]Event{s.accept(e)}, s.acceptAhead()...)
	case s.pulling:
		s.hold(e)
	}
	return nil
}

// page takes a page of a pull and returns the events that are now next in order.
func (s *stream) page(p *domain.EventPage) []Event {
	var next []Event
	for i, e := range p.Events {
		// If the device may not read what follows accepted, the page starts at the floor.
		if e.Seq == s.accepted+1 || i == 0 && e.Seq > s.accepted && e.Seq == p.FloorSeq {
			next = append(next, s.accept(e))
		}
	}
	next = append(next, s.acceptAhead()...)
	if len(p.Events) == 0 {
		s.head = s.accepted // no event is readable above accepted, even if a head was announced
		s.ahead = nil
	} else {
		s.head = max(s.head, p.HeadSeq)
	}
	return next
}

func (s *stream) accept(e Event) Event {
	s.accepted, s.fresh = e.Seq, false
	return e
}

// hold keeps an event for after the pull under way. It drops the event if that would
// leave a hole or exceed maxAhead; it is pulled later.
func (s *stream) hold(e Event) {
	if n := len(s.ahead); n > 0 && e.Seq != s.ahead[n-1].Seq+1 || n == maxAhead {
		return
	}
	s.ahead = append(s.ahead, e)
}

// acceptAhead accepts and returns the held events that are now next in order.
func (s *stream) acceptAhead() []Event {
	i := slices.IndexFunc(s.ahead, func(e Event) bool { return e.Seq == s.accepted+1 })
	if i < 0 {
		if n := len(s.ahead); n > 0 && s.ahead[n-1].Seq <= s.accepted {
			s.ahead = nil
		}
		return nil
	}
	next := s.ahead[i:]
	s.ahead = nil
	for _, e := range next {
		s.accept(e)
	}
	return next
}

// isBehind reports whether events are known to be missing.
func (s *stream) isBehind() bool { return s.accepted < s.head }
