package realtime

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/strictjson"
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
	for name, encode := range map[string]func() wire{
		"page":      func() wire { return pageFrame("r1", &page) },
		"sync_page": func() wire { return syncPageFrame("r1", &synced) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(len(encode())))
			}
		})
	}
}

const sendText = `{"type":"send","id":"r-17","conversation_id":"0197a3c0-5b7e-7cc3-98c4-dc0c0c07398f","client_msg_id":"c-1234567890",` +
	`"content":{"type":"text","text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}`

// BenchmarkReadSend reads the frame that comes most often.
func BenchmarkReadSend(b *testing.B) {
	data := []byte(sendText)
	b.ReportAllocs()
	for b.Loop() {
		o, err := strictjson.Parse("", data)
		if err != nil || o.String("type") != "send" || requestID(o) != "r-17" {
			b.Fatal(err)
		}
		if _, err := readPost(o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFanOut pushes one event to all members of a conversation, each with one
// session, and takes it as their writers would.
func BenchmarkFanOut(b *testing.B) {
	for _, members := range []int{2, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			s := newStage(b, never)
			users := []domain.UserID{"alice"}
			for i := range members - 1 {
				users = append(users, domain.UserID(fmt.Sprint("u", i)))
			}
			id := s.w.create(users...)
			var outs []*outbox
			for _, user := range users {
				l := &listener{s: &session{id: newSessionID(), user: user, device: "d"}}
				l.s.out = newOutbox(1<<20, func() {}, func() {})
				require.NoError(b, s.join(l))
				drain(l.s.out)
				outs = append(outs, l.s.out)
			}
			event := s.w.post(id, "alice", "c-1")
			b.ReportAllocs()
			for b.Loop() {
				s.push(event)
				for _, o := range outs {
					for batch := o.take(); batch != nil; batch = o.take() {
					}
				}
				event.Seq++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/member")
		})
	}
}
