package realtime

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// told writes down what is signalled to conversations.
type told []domain.ConversationFrame

func (l *told) Signal(s domain.Signal) { *l = append(*l, s.(domain.ConversationFrame)) }

// states are those that were told since the last call.
func (l *told) states(t *testing.T) []bool {
	states := []bool{}
	for _, s := range *l {
		states = append(states, string(s.Frame) == fmt.Sprintf(`{"type":"typing","conversation_id":"%s","user_id":"a","on":true}`, s.Conversation))
		require.Equal(t, domain.UserID("a"), s.From)
	}
	*l = nil
	return states
}

func TestTypist(t *testing.T) {
	id, begin := domain.NewConversationID(time.Now()), time.Now()
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	newOne := func() (*typing, *session, *told) {
		list := &told{}
		s := &session{id: "s", user: "a", out: newOutbox(1000, func() {}, func() {})}
		return newTyping(list), s, list
	}
	t.Run("more than one a second is coalesced", func(t *testing.T) {
		x, s, list := newOne()
		for n := range 9 {
			x.say(s, id, true, at(float64(n)/10))
		}
		require.Equal(t, []bool{true}, list.states(t))
		x.look(at(1))
		require.Equal(t, []bool{true}, list.states(t), "renewed once")
		x.look(at(2))
		require.Empty(t, list.states(t))
	})
	t.Run("who stops within the second is told of at its end", func(t *testing.T) {
		x, s, list := newOne()
		x.say(s, id, true, at(0))
		x.say(s, id, false, at(0.1))
		require.Equal(t, []bool{true}, list.states(t))
		x.look(at(1))
		require.Equal(t, []bool{false}, list.states(t))
		x.look(at(2.1))
		require.Empty(t, x.typists)
	})
	t.Run("forgotten after 6 s", func(t *testing.T) {
		x, s, list := newOne()
		x.say(s, id, true, at(0))
		x.say(s, id, true, at(3))
		list.states(t)
		x.look(at(8.9))
		require.Empty(t, list.states(t))
		x.look(at(9))
		require.Equal(t, []bool{false}, list.states(t))
	})
	t.Run("a session that leaves types no more", func(t *testing.T) {
		x, s, list := newOne()
		x.say(s, id, true, at(0))
		x.leave(s)
		require.Equal(t, []bool{true, false}, list.states(t))
		s.out.end(closeNormal)
		x.say(s, id, true, at(1))
		require.Empty(t, x.typists)
	})
	t.Run("who never typed does not stop", func(t *testing.T) {
		x, s, list := newOne()
		x.say(s, id, false, at(0))
		require.Empty(t, list.states(t))
	})
	t.Run("I9 bounded", func(t *testing.T) {
		x, s, list := newOne()
		for range 2 * typingSessions {
			x.say(s, domain.NewConversationID(begin), true, at(0))
		}
		require.Len(t, list.states(t), typingSessions)
	})
}

func TestTyping(t *testing.T) {
	s := newSite(t, nil)
	id := s.w.create("a", "b")
	a, b, c := s.hello("a", "1"), s.hello("b", "1"), s.hello("c", "1")
	text := func(id domain.ConversationID) string {
		return `{"type":"typing","conversation_id":"` + id.String() + `"}`
	}

	a.send(text(id))
	require.Equal(t, answer{"type": "typing", "conversation_id": id.String(), "user_id": "a", "on": true}, b.expect("typing"))
	require.Equal(t, false, b.expect("typing")["on"], "forgotten")

	c.send(text(id))
	refused := c.expectError("not_found", "")
	c.send(text(domain.NewConversationID(time.Now())))
	require.Equal(t, refused, c.expectError("not_found", ""), "I8: as if it did not exist")
	c.send(`{"type":"typing","conversation_id":"x","on":1}`)
	c.expectError("invalid", "", "/conversation_id", "/on")

	for _, p := range []*peer{a, c} {
		p.send(`{"type":"ping"}`)
		p.expect("pong") // and nothing before: neither one's own nor a stranger's
	}

	crowd := []domain.UserID{"a", "b"}
	for n := range domain.TypingMembers - 1 {
		crowd = append(crowd, domain.UserID(fmt.Sprint("u", n)))
	}
	large := s.w.create(crowd...)
	b.expect("conversation")
	b.expect("event")
	a.send(text(large))
	a.expect("conversation")
	a.expect("event")
	a.send(text(id))
	require.Equal(t, id.String(), b.expect("typing")["conversation_id"], "nothing in a large one")
}
