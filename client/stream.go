package client

import (
	"slices"

	"im/domain"
)

// stream is the order of one conversation's events on this device:
// handled ≤ accepted ≤ head.
type stream struct {
	id ConversationID
	// accepted: everything up to here was queued for the callback, once.
	accepted int64
	// handled: the callback has returned for everything up to here.
	handled int64
	// head is the furthest seq known to exist.
	head int64
	// waiting: a pull is wanted; pulling: it is under way.
	waiting, pulling bool
	// ahead are pushed events beyond accepted+1 that wait for the pull under way,
	// ascending and without a hole.
	ahead []Event
	// fresh: nothing was accepted yet, so the first push may set the start back.
	fresh bool
}

// maxAhead is how many pushed events one stream keeps during a pull; what is
// beyond is pulled after it.
const maxAhead = 64

// push takes an event that the server pushed and returns those that are next in
// order now. room says whether the queue for the callback takes any.
func (s *stream) push(e Event, room bool) []Event {
	s.head = max(s.head, e.Seq)
	if s.fresh && e.Seq <= s.accepted {
		s.accepted = e.Seq - 1
	}
	switch {
	case e.Seq <= s.accepted:
		return nil
	case e.Seq == s.accepted+1 && room:
		return append([]Event{s.accept(e)}, s.drain()...)
	case s.pulling:
		s.hold(e)
	}
	return nil
}

// page takes a pulled page and returns the events that are next in order.
func (s *stream) page(p *domain.EventPage) []Event {
	var next []Event
	for i, e := range p.Events {
		// A page begins at the floor where nothing below it is to be seen.
		if e.Seq == s.accepted+1 || i == 0 && e.Seq > s.accepted && e.Seq == p.FloorSeq {
			next = append(next, s.accept(e))
		}
	}
	next = append(next, s.drain()...)
	if len(p.Events) == 0 {
		s.head = s.accepted // nothing there, whatever was announced; the next push tells
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

func (s *stream) hold(e Event) {
	if n := len(s.ahead); n > 0 && e.Seq != s.ahead[n-1].Seq+1 || n == maxAhead {
		return
	}
	s.ahead = append(s.ahead, e)
}

// drain accepts what was held and is next now.
func (s *stream) drain() []Event {
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

// behind tells whether something is known to be missing.
func (s *stream) behind() bool { return s.accepted < s.head }
