package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// BenchmarkMessage sends one message after another on one node to a session on another one,
// without traces, with traces of which none is sampled, and with all sampled. The allocations
// are those of both nodes and both clients.
func BenchmarkMessage(b *testing.B) {
	modes := []struct {
		name    string
		tracing Tracing
	}{{name: "off"}, {"ratio=0", Tracing{URL: "-", Ratio: 0}}, {"ratio=1", Tracing{URL: "-", Ratio: 1}}}
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			o := testOptions(b)
			if mode.tracing.URL != "" {
				mode.tracing.URL = startCollector(b).URL
			}
			o.Tracing = mode.tracing
			one, two := startNode(b, o), startNode(b, o)
			status, body := one.call("alice", http.MethodPost, "/v1/conversations", `{"kind":"direct","members":["bob"]}`)
			require.Equal(b, http.StatusCreated, status, body)
			id := body[strings.Index(body, `"conversation_id":"`)+len(`"conversation_id":"`):][:36]
			alice, bob := one.socketOf("alice"), two.socketOf("bob")
			go func() { // alice's socket gets answers and events, too
				for {
					if _, _, err := alice.ReadMessage(); err != nil {
						return
					}
				}
			}()
			require.NoError(b, bob.SetReadDeadline(time.Now().Add(time.Hour)))
			exchange := func(i int) {
				frame := fmt.Sprintf(`{"type":"send","id":"r","client_msg_id":"m%d","conversation_id":%q,"content":{"type":"text","text":"Hello, Bob"}}`, i, id)
				require.NoError(b, alice.WriteMessage(websocket.TextMessage, []byte(frame)))
				_, _, err := bob.ReadMessage()
				require.NoError(b, err)
			}
			for i := range 20 {
				exchange(-i - 1)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				exchange(i)
			}
		})
	}
}
