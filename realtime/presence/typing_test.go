package presence

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/hub"
	"im/realtime/wire"
)

// typingStates returns what was signalled of the user "a" since the last call.
func typingStates(t *testing.T, s *signals) []bool {
	t.Helper()
	states := []bool{}
	for _, sig := range s.take() {
		sig := sig.(domain.ConversationFrame)
		require.Equal(t, domain.UserID("a"), sig.From)
		states = append(states, string(sig.Frame) == fmt.Sprintf(`{"type":"typing","conversation_id":"%s","user_id":"a","on":true}`, sig.Conversation))
	}
	return states
}

func TestTyping(t *testing.T) {
	id, begin := domain.NewConversationID(time.Now()), time.Now()
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	newTyping := func() (*Typing, *hub.Session, *signals) {
		sent := &signals{}
		return NewTyping(sent), newSession("a", 1000), sent
	}
	t.Run("more than one a second is coalesced", func(t *testing.T) {
		x, s, sent := newTyping()
		for n := range 9 {
			x.Set(s, id, true, at(float64(n)/10))
		}
		require.Equal(t, []bool{true}, typingStates(t, sent))
		x.tick(at(1))
		require.Equal(t, []bool{true}, typingStates(t, sent), "renewed once")
		x.tick(at(2))
		require.Empty(t, typingStates(t, sent))
	})
	t.Run("a stop within the second is sent at its end", func(t *testing.T) {
		x, s, sent := newTyping()
		x.Set(s, id, true, at(0))
		x.Set(s, id, false, at(0.1))
		require.Equal(t, []bool{true}, typingStates(t, sent))
		x.tick(at(1))
		require.Equal(t, []bool{false}, typingStates(t, sent))
		x.tick(at(2.1))
		require.Zero(t, x.Sessions())
	})
	t.Run("stops after 6 s of silence", func(t *testing.T) {
		x, s, sent := newTyping()
		x.Set(s, id, true, at(0))
		x.Set(s, id, true, at(3))
		typingStates(t, sent)
		x.tick(at(8.9))
		require.Empty(t, typingStates(t, sent))
		x.tick(at(9))
		require.Equal(t, []bool{false}, typingStates(t, sent))
	})
	t.Run("a session that leaves stops typing", func(t *testing.T) {
		x, s, sent := newTyping()
		x.Set(s, id, true, at(0))
		x.Leave(s)
		require.Equal(t, []bool{true, false}, typingStates(t, sent))
		s.Queue.Close(wire.CloseNormal)
		x.Set(s, id, true, at(1))
		require.Zero(t, x.Sessions())
	})
	t.Run("a stop without a start is ignored", func(t *testing.T) {
		x, s, sent := newTyping()
		x.Set(s, id, false, at(0))
		require.Empty(t, typingStates(t, sent))
	})
	t.Run("I9 bounded", func(t *testing.T) {
		x, s, sent := newTyping()
		for range 2 * maxTyping {
			x.Set(s, domain.NewConversationID(begin), true, at(0))
		}
		require.Len(t, typingStates(t, sent), maxTyping)
	})
}
