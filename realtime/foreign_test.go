package realtime

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// TestI9ForeignIDsLeaveNothingBehind: a session that names many conversations of
// other users, in every frame, leaves nothing in the node's maps, except
// acknowledgements until they are written.
func TestI9ForeignIDsLeaveNothingBehind(t *testing.T) {
	const rounds, each = 50, 1_000
	s := newTestServer(t, nil)
	p := s.hello("eve", "1")
	before := s.hub.Conversations()
	answered := make(chan error, 1)
	go func() {
		for range rounds * 4 {
			if _, err := p.receive(); err != nil {
				answered <- err
				return
			}
		}
		answered <- nil
	}()
	for range rounds {
		var acks strings.Builder
		for i := range each {
			if i > 0 {
				acks.WriteByte(',')
			}
			fmt.Fprintf(&acks, `"%s":1`, domain.NewConversationID(time.Now()))
		}
		p.send(`{"type":"ack","acks":{` + acks.String() + `}}`)
		id := domain.NewConversationID(time.Now()).String()
		p.send(`{"type":"pull","id":"x","conversation_id":"` + id + `","after_seq":0}`)
		p.send(`{"type":"read","id":"x","conversation_id":"` + id + `","seq":1}`)
		p.send(`{"type":"typing","conversation_id":"` + id + `"}`)
		p.send(`{"type":"send","id":"x","client_msg_id":"c","conversation_id":"` + id + `","content":{"type":"text","text":"x"}}`)
	}
	require.NoError(t, <-answered)
	require.Equal(t, before, s.hub.Conversations(), "conversations of the hub")
	g := s.gateway
	require.Zero(t, g.scopes.cache.Len())
	require.Zero(t, g.typing.Sessions())
	eventually.True(t, "acknowledgements are written or dropped", func() bool { return g.acks.pending.Len() == 0 })
}
