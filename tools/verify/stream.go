package verify

import "fmt"

// pushSpan is what a session got pushed of one conversation while its user was a
// member: from the first event to the removal of the user or the end of the
// session. After a removal and a return, the next span begins.
type pushSpan struct {
	first, last   int64 // 0 before the first push
	base          int64 // everything above it must be pushed; -1 while unknown
	gap           int64 // the head up to which pushes were dropped; 0 for none
	waiting       bool  // a gap came, and no event since
	gaps          []gap // all of them
	introduced    bool  // by a frame conversation
	again         bool  // another frame conversation came since the last event
	over          bool  // the user was removed
	below         int64 // the lowest seq pushed below first; 0 for none
	contentChecks []contentCheck
}

// gap is a frame gap: no event after last (0 for the start) was pushed up to head.
type gap struct{ last, head int64 }

// runs returns what was pushed between gaps.
func (s *pushSpan) runs() (list []interval) {
	if s.first == 0 {
		return nil
	}
	from := s.lowest()
	for _, g := range s.gaps {
		if g.last >= from {
			list = append(list, interval{from, g.last})
		}
		if g.last > 0 {
			from = g.head + 1
		}
	}
	if s.last >= from {
		list = append(list, interval{from, s.last})
	}
	return list
}

func newSpan() *pushSpan { return &pushSpan{base: -1} }

// reached returns the seq up to which every event came or was named in a gap.
func (s *pushSpan) reached() int64 { return max(s.last, s.gap) }

// lowest returns the lowest pushed seq: the first one, unless the order was
// wrong.
func (s *pushSpan) lowest() int64 {
	if s.below > 0 {
		return s.below
	}
	return s.first
}

// stream checks the pushes of one session as they arrive, by rules 3, 4 and 9
// of the contract. It is not safe for concurrent use.
type stream struct {
	user  string
	spans map[string][]*pushSpan // by conversation, the current one last
}

func newStream(user string) *stream { return &stream{user: user, spans: map[string][]*pushSpan{}} }

// span returns the current span of a conversation, and begins the first one.
func (s *stream) span(id string) *pushSpan {
	list := s.spans[id]
	if len(list) == 0 {
		s.spans[id] = append(list, newSpan())
	}
	list = s.spans[id]
	return list[len(list)-1]
}

// violation describes what is wrong with a frame.
type violation struct{ invariant, text string }

// event checks and records a pushed event. introduces: it makes the user a member.
// removes: it removes the user.
func (s *stream) event(id string, seq int64, kind string, introduces, removes bool) []violation {
	var found []violation
	t := s.span(id)
	if t.over {
		found = append(found, violation{"I8", "pushed after member.removed of the user itself (rule 9)"})
		t = s.newSpan(id)
	}
	if introduces && t.waiting {
		again := t.again // its removal was in a gap
		t = s.newSpan(id)
		t.introduced = again
	}
	if introduces && !t.introduced {
		found = append(found, violation{"I6", kind + " of the user itself without a frame conversation before it"})
	}
	if w, bad := t.next(seq); bad {
		found = append(found, w)
	}
	if t.first == 0 {
		t.first = seq
	}
	if seq < t.lowest() {
		t.below = seq
	}
	t.last, t.waiting = max(t.last, seq), false
	t.over, t.again = removes, false
	return found
}

// addContentCheck records the last push if it depends on the floor.
func (s *stream) addContentCheck(id string, p contentCheck) {
	t := s.span(id)
	t.contentChecks = append(t.contentChecks, p)
}

// next checks that an event is the next one in order.
func (s *pushSpan) next(seq int64) (violation, bool) {
	switch {
	case s.waiting && seq != s.gap+1:
		return violation{"I4", fmt.Sprintf("pushed after a gap up to %d: must be %d", s.gap, s.gap+1)}, true
	case s.waiting || s.last == 0 && s.base < 0:
		return violation{}, false
	case s.last == 0 && seq > s.base+1:
		return violation{"I4", fmt.Sprintf("the first one pushed, but the head was %d at the sync: a hole from the beginning", s.base)}, true
	case s.last == 0:
		return violation{}, false
	case seq == s.last:
		return violation{"I4", "pushed twice"}, true
	case seq < s.last:
		return violation{"I4", fmt.Sprintf("pushed after %d: not ascending", s.last)}, true
	case seq > s.last+1:
		return violation{"I4", fmt.Sprintf("pushed after %d, without a gap between: a hole", s.last)}, true
	}
	return violation{}, false
}

// addGap takes a frame gap: pushes up to head were dropped.
func (s *stream) addGap(id string, head int64) []violation {
	t := s.span(id)
	if t.over { // the user is a member again, and the gap contains that event
		t = s.newSpan(id)
		t.introduced = true
	}
	if head < t.reached() {
		return []violation{{"I4", fmt.Sprintf("a gap up to %d after %d", head, t.reached())}}
	}
	t.gaps = append(t.gaps, gap{t.last, head})
	t.gap, t.waiting = head, true
	return nil
}

// introduce takes a frame conversation. The server sends one before the event that
// makes the user a member, and also for other reasons.
func (s *stream) introduce(id string) {
	t := s.span(id)
	if t.over {
		t = s.newSpan(id)
	}
	t.introduced, t.again = true, true
}

// synced takes the head that a sync of this session named. All later events must
// be pushed.
func (s *stream) synced(id string, head int64) []violation {
	t := s.span(id)
	if t.over || t.introduced || t.base >= 0 {
		return nil
	}
	t.base = head
	if t.first > head+1 && t.gap == 0 {
		return []violation{{"I4", fmt.Sprintf("the first one pushed, but the head was %d at the sync: a hole from the beginning", head)}}
	}
	return nil
}

// newSpan begins the next span of a conversation.
func (s *stream) newSpan(id string) *pushSpan {
	t := newSpan()
	s.spans[id] = append(s.spans[id], t)
	return t
}
