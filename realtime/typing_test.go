package realtime

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestTyping(t *testing.T) {
	s := newTestServer(t, nil)
	id := s.store.NewGroup("a", "b")
	a, b, c := s.hello("a", "1"), s.hello("b", "1"), s.hello("c", "1")
	text := func(id domain.ConversationID) string {
		return `{"type":"typing","conversation_id":"` + id.String() + `"}`
	}

	a.send(text(id))
	require.Equal(t, answer{"type": "typing", "conversation_id": id.String(), "user_id": "a", "on": true}, b.expect("typing"))
	require.Equal(t, false, b.expect("typing")["on"], "stopped after 6 s of silence")

	c.send(text(id))
	refused := c.expectError("not_found", "")
	c.send(text(domain.NewConversationID(time.Now())))
	require.Equal(t, refused, c.expectError("not_found", ""), "I8: as if it did not exist")
	c.send(`{"type":"typing","conversation_id":"x","on":1}`)
	c.expectError("invalid", "", "/conversation_id", "/on")

	for _, p := range []*client{a, c} {
		p.send(`{"type":"ping"}`)
		p.expect("pong") // and nothing before: neither the own typing nor that of a non-member
	}

	users := []domain.UserID{"a", "b"}
	for n := range domain.TypingMembers - 1 {
		users = append(users, domain.UserID(fmt.Sprint("u", n)))
	}
	large := s.store.NewGroup(users...)
	b.expect("conversation")
	b.expect("event")
	a.send(text(large))
	a.expect("conversation")
	a.expect("event")
	a.send(text(id))
	require.Equal(t, id.String(), b.expect("typing")["conversation_id"], "nothing in a large one")
}
