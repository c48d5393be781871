package realtime

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestI9ForeignIDsLeaveNothingBehind: a session that names conversations which
// are not its own, in every frame and as many as there are, leaves nothing in
// any of the node's maps, but for as long as acknowledgements wait.
func TestI9ForeignIDsLeaveNothingBehind(t *testing.T) {
	const rounds, each = 50, 1_000
	s := newSite(t, nil)
	p := s.hello("eve", "1")
	entries := func() (n int) {
		for i := range s.hub.shards {
			sh := &s.hub.shards[i]
			sh.mu.Lock()
			n += len(sh.entries)
			sh.mu.Unlock()
		}
		return n
	}
	before := entries()
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
	require.Equal(t, before, entries(), "entries of the hub")
	g := s.gateway
	g.rooms.mu.Lock()
	require.Empty(t, g.rooms.known)
	g.rooms.mu.Unlock()
	g.typing.mu.Lock()
	require.Empty(t, g.typing.typists)
	g.typing.mu.Unlock()
	require.Eventually(t, func() bool {
		g.acks.mu.Lock()
		defer g.acks.mu.Unlock()
		return len(g.acks.pending) == 0
	}, patience, 5*time.Millisecond, "acknowledgements are written or forgotten")
}
