package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"im/domain"
)

// BenchmarkFrame encodes the answers that are large.
func BenchmarkFrame(b *testing.B) {
	at := domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC))
	body := json.RawMessage(`{"content":{"type":"text","text":"` + strings.Repeat("x", 100) + `"}}`)
	name := "Alice"
	page := domain.EventPage{Epoch: "01JGF3", Users: map[domain.UserID]domain.Profile{"alice": {Name: &name}}}
	for i := range 1000 {
		page.Events = append(page.Events, domain.Event{
			Seq: int64(i), Type: domain.MessagePosted, Sender: "alice", ClientMsgID: fmt.Sprint("c-", i), At: at, Body: body,
		})
	}
	synced := domain.SyncPage{Epoch: "01JGF3", Users: map[domain.UserID]domain.Profile{}}
	for i := range 500 {
		m := domain.Message{Seq: 2, Sender: "alice", ClientMsgID: "c-1", At: at, Content: body, Reactions: []domain.Reaction{}}
		peer := domain.UserID(fmt.Sprint("peer-", i))
		synced.Users[peer] = domain.Profile{Name: &name}
		synced.Conversations = append(synced.Conversations, domain.ConversationView{
			Kind: domain.Direct, Peer: peer, Settings: domain.DefaultSettings(), CreatedAt: at, Role: domain.RoleOwner,
			MemberCount: 2, HeadSeq: 2, FloorSeq: 1, Preferences: domain.DefaultPreferences(), LastMessage: &m,
		})
	}
	for name, encode := range map[string]func() Frame{
		"page":      func() Frame { return Page("r1", &page) },
		"sync_page": func() Frame { return SyncPage("r1", &synced) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(len(encode())))
			}
		})
	}
}
