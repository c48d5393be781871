package realtime

import (
	"testing"

	"im/internal/strictjson"
)

const sendText = `{"type":"send","id":"r-17","conversation_id":"0197a3c0-5b7e-7cc3-98c4-dc0c0c07398f","client_msg_id":"c-1234567890",` +
	`"content":{"type":"text","text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}`

// BenchmarkReadSend parses the frame that clients send most often.
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
