package realtime

import "im/domain"

// shown is an event as the sockets of a node share it: encoded once, and once
// more without content if there is a member who may not read what was edited.
type shown struct {
	event  *domain.Event
	target int64 // of an edit, 0 for everything else
	whole  wire
	bare   wire // made at need
}

// show encodes an event that is pushed to the members of the entry.
func (e *entry) show(ev *domain.Event) shown {
	s := shown{event: ev, whole: eventFrame(ev)}
	if e.sinceJoin {
		s.target = ev.EditOf()
	}
	return s
}

// from returns the event as who may read from floor on sees it.
func (s *shown) from(floor int64) wire {
	if s.target == 0 || s.target >= floor {
		return s.whole
	}
	if s.bare == nil {
		hidden := s.event.Redacted(s.target)
		s.bare = eventFrame(&hidden)
	}
	return s.bare
}

// floor returns the lowest seq that a member may read.
func (e *entry) floor(m membership) int64 {
	if e.sinceJoin {
		return m.joined
	}
	return 1
}

// learn notes whether members have a floor, as of seq; what is known as of a
// later one stays. All changes beyond the seq must be applied after it.
func (e *entry) learn(seq int64, sinceJoin bool) {
	if seq > e.learned {
		e.learned, e.sinceJoin = seq, sinceJoin
	}
}
