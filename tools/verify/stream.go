package verify

import "fmt"

// stint is one stay of a session in one conversation: from the first pushed
// event to the removal of the user or the end of the session.
type stint struct {
	first, last int64 // 0 before the first push
	base        int64 // everything above it must be pushed; -1 while unknown
	gap         int64 // the head up to which pushes were dropped; 0 for none
	waiting     bool  // a gap came, and no event since
	gaps        []gap // all of them
	introduced  bool  // by a frame conversation
	again       bool  // another frame conversation came since the last event
	over        bool  // the user was removed
	below       int64 // the lowest seq pushed below first; 0 for none
	glimpses    []glimpse
}

// gap says that no event after last (0 for the start) was pushed up to head.
type gap struct{ last, head int64 }

// runs returns what was pushed between gaps.
func (s *stint) runs() (list []interval) {
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

func newStint() *stint { return &stint{base: -1} }

// reached returns the seq up to which every event came or was named in a gap.
func (s *stint) reached() int64 { return max(s.last, s.gap) }

// lowest returns the lowest pushed seq: the first one, unless the order was
// wrong.
func (s *stint) lowest() int64 {
	if s.below > 0 {
		return s.below
	}
	return s.first
}

// stream checks the pushes of one session as they arrive, by rules 3, 4 and 9
// of the contract. It is not safe for concurrent use.
type stream struct {
	user   string
	stints map[string][]*stint // by conversation, the current one last
}

func newStream(user string) *stream { return &stream{user: user, stints: map[string][]*stint{}} }

func (s *stream) stint(id string) *stint {
	list := s.stints[id]
	if len(list) == 0 {
		s.stints[id] = append(list, newStint())
	}
	list = s.stints[id]
	return list[len(list)-1]
}

// wrong describes what is wrong with a frame.
type wrong struct{ invariant, text string }

// event takes a pushed event.
func (s *stream) event(id string, seq int64, kind string, introduces, removes bool) []wrong {
	var found []wrong
	t := s.stint(id)
	if t.over {
		found = append(found, wrong{"I8", "pushed after member.removed of the user itself (rule 9)"})
		t = s.newStint(id)
	}
	if introduces && t.waiting {
		again := t.again // its removal was in a gap
		t = s.newStint(id)
		t.introduced = again
	}
	if introduces && !t.introduced {
		found = append(found, wrong{"I6", kind + " of the user itself without a frame conversation before it"})
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

// glimpse records the last push if it depends on the floor.
func (s *stream) glimpse(id string, p glimpse) {
	t := s.stint(id)
	t.glimpses = append(t.glimpses, p)
}

// next checks the place of an event in the order.
func (s *stint) next(seq int64) (wrong, bool) {
	switch {
	case s.waiting && seq != s.gap+1:
		return wrong{"I4", fmt.Sprintf("pushed after a gap up to %d: must be %d", s.gap, s.gap+1)}, true
	case s.waiting || s.last == 0 && s.base < 0:
		return wrong{}, false
	case s.last == 0 && seq > s.base+1:
		return wrong{"I4", fmt.Sprintf("the first one pushed, but the head was %d at the sync: a hole from the beginning", s.base)}, true
	case s.last == 0:
		return wrong{}, false
	case seq == s.last:
		return wrong{"I4", "pushed twice"}, true
	case seq < s.last:
		return wrong{"I4", fmt.Sprintf("pushed after %d: not ascending", s.last)}, true
	case seq > s.last+1:
		return wrong{"I4", fmt.Sprintf("pushed after %d, without a gap between: a hole", s.last)}, true
	}
	return wrong{}, false
}

// left takes a gap: pushes up to head were dropped.
func (s *stream) left(id string, head int64) []wrong {
	t := s.stint(id)
	if t.over { // the user is a member again, and the gap contains that event
		t = s.newStint(id)
		t.introduced = true
	}
	if head < t.reached() {
		return []wrong{{"I4", fmt.Sprintf("a gap up to %d after %d", head, t.reached())}}
	}
	t.gaps = append(t.gaps, gap{t.last, head})
	t.gap, t.waiting = head, true
	return nil
}

// introduce takes a frame conversation, which may also come for other reasons.
func (s *stream) introduce(id string) {
	t := s.stint(id)
	if t.over {
		t = s.newStint(id)
	}
	t.introduced, t.again = true, true
}

// synced takes the head in a sync of this session.
func (s *stream) synced(id string, head int64) []wrong {
	t := s.stint(id)
	if t.over || t.introduced || t.base >= 0 {
		return nil
	}
	t.base = head
	if t.first > head+1 && t.gap == 0 {
		return []wrong{{"I4", fmt.Sprintf("the first one pushed, but the head was %d at the sync: a hole from the beginning", head)}}
	}
	return nil
}

func (s *stream) newStint(id string) *stint {
	t := newStint()
	s.stints[id] = append(s.stints[id], t)
	return t
}
