package domain_test

import (
	"encoding/json"
	"testing"
	"time"

	"im/domain"
)

// BenchmarkEncode compares the hand-written encoders of pages with encoding/json,
// which besides does not keep the bytes of content.
func BenchmarkEncode(b *testing.B) {
	at := domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))
	content := json.RawMessage(`{"type":"text","text":"Shall we meet at the station at a quarter past seven, as last week?"}`)
	event := domain.Event{
		ConversationID: domain.ConversationID{1}, Seq: 41, Type: domain.MessagePosted, Sender: "alice", ClientMsgID: "3f2c", At: at,
		Body: json.RawMessage(`{"content":` + string(content) + `}`),
	}
	message := domain.Message{
		ConversationID: domain.ConversationID{1}, Seq: 41, Sender: "alice", ClientMsgID: "3f2c", At: at, Content: content,
		Reactions: []domain.Reaction{{Emoji: "👍", Count: 2}},
	}
	events := &domain.EventPage{Events: make([]domain.Event, 1000)}
	for i := range events.Events {
		events.Events[i] = event
	}
	messages := &domain.MessagePage{Messages: make([]domain.Message, 100)}
	for i := range messages.Messages {
		messages.Messages[i] = message
	}
	sync := &domain.SyncPage{Conversations: make([]domain.ConversationView, 500)}
	for i := range sync.Conversations {
		sync.Conversations[i] = domain.ConversationView{
			Kind: domain.Group, Title: new("Friends"), Settings: domain.DefaultSettings(), CreatedAt: at, Role: domain.RoleMember,
			Preferences: domain.DefaultPreferences(), LastMessage: &message,
		}
	}
	type page interface {
		AppendFields(dst []byte) []byte
		Size() int
	}
	for name, p := range map[string]page{"events": events, "messages": messages, "sync": sync} {
		b.Run(name+"/by hand", func(b *testing.B) {
			for b.Loop() {
				p.AppendFields(make([]byte, 0, p.Size()))
			}
		})
		b.Run(name+"/encoding json", func(b *testing.B) {
			for b.Loop() {
				if _, err := json.Marshal(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
