package eventjson

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// page returns a page of n messages, as a node encodes it.
func page(n int) []byte {
	id := domain.NewConversationID(time.Now())
	p := domain.EventPage{
		ConversationID: id, Epoch: "e1", FromSeq: 1, ToSeq: int64(n), HeadSeq: int64(n) + 5, FloorSeq: 1, HasMore: true,
		Users: map[domain.UserID]domain.Profile{"alice": {}},
	}
	for seq := range int64(n) {
		p.Events = append(p.Events, domain.Event{
			ConversationID: id, Seq: seq + 1, Type: domain.MessagePosted, Sender: "alice", ClientMsgID: fmt.Sprint("m", seq),
			At: domain.TimeOf(time.Now()), Body: json.RawMessage(`{"content":{"type":"text","text":"` + strings.Repeat("x", 100) + `"}}`),
		})
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return text
}

// TestDecodePage: the result is that of encoding/json.
func TestDecodePage(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"messages":       string(page(3)),
		"nothing":        `{}`,
		"no events":      `{"events":[],"has_more":false}`,
		"unknown fields": `{"type":"page","id":"7","new":{"a":[1,{"b":null}]},"events":[{"seq":1,"new":[[]],"type":"member.added","body":{"user_id":"b","x":"\u00e9\n"}}]}`,
		"escapes":        `{"events":[{"client_msg_id":"a\"\u00e9\ud83d\ude00","sender":"a\u006cice","type":"message\u002eposted","body":{"é":"\\"}}]}`,
		"spaces":         " { \"events\" : [ { \"seq\" : 5 , \"body\" : { \"a\" : 1 } } ] } ",
		"no body":        `{"events":[{"seq":1,"body":null}]}`,
		"nulls":          `{"epoch":null,"events":null,"head_seq":null,"has_more":null,"users":null}`,
		"no object":      `[]`,
		"broken":         `{"events":[{"seq":1},`,
		"cut off":        string(page(2)[:200]),
		"no id":          `{"conversation_id":"x"}`,
		"no time":        `{"events":[{"at":"yesterday"}]}`,
		"no number":      `{"head_seq":"5"}`,
		"a fraction":     `{"head_seq":5.5}`,
		"empty":          ``,
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want domain.EventPage
			failed := json.Unmarshal([]byte(text), &want)
			got, err := DecodePage([]byte(text))
			if failed != nil {
				require.Error(t, err)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, len(want.Events), len(got.Events))
			if len(want.Events) == 0 {
				want.Events, got.Events = nil, nil
			}
			require.Equal(t, want, got)
		})
	}
}

// TestDecodePageKeepsNothing: the caller may reuse the memory of data.
func TestDecodePageKeepsNothing(t *testing.T) {
	t.Parallel()
	text := page(3)
	got, err := DecodePage(text)
	require.NoError(t, err)
	want, err := json.Marshal(got)
	require.NoError(t, err)
	clear(text)
	after, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, string(want), string(after))
}

// FuzzDecodePage: a decoded page is the same after it was encoded and decoded again.
func FuzzDecodePage(f *testing.F) {
	f.Add(page(2))
	f.Add([]byte(`{"events":[{"seq":1,"body":{}}],"users":{"a":{"name":"A"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := DecodePage(data)
		if err != nil {
			return
		}
		for i := range first.Events {
			if first.Events[i].Body == nil {
				first.Events[i].Body = json.RawMessage("{}")
			}
		}
		text, err := json.Marshal(first)
		if err != nil {
			return // a time or an id without a text form
		}
		second, err := DecodePage(text)
		require.NoError(t, err)
		again, err := json.Marshal(second)
		require.NoError(t, err)
		require.JSONEq(t, string(text), string(again))
	})
}

func BenchmarkDecodePage(b *testing.B) {
	text := page(1000)
	for name, decode := range map[string]func() error{
		"encoding/json": func() error { return json.Unmarshal(text, new(domain.EventPage)) },
		"one pass":      func() error { _, err := DecodePage(text); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
