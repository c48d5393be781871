package routing

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
)

func TestCodec(t *testing.T) {
	t.Run("decoding returns what was encoded", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			want := envelope{origin: origin(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "origin"))}
			data := appendHeader(nil, want.origin)
			for range rapid.IntRange(0, 4).Draw(t, "records") {
				if rapid.Bool().Draw(t, "is committed") {
					c := drawCommitted(t)
					want.committed = append(want.committed, c)
					data = appendCommitted(data, &c)
				} else {
					s := drawSignal(t)
					want.signals = append(want.signals, s)
					data = appendSignal(data, s)
				}
			}
			got, err := decode(data)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got, cmp.AllowUnexported(envelope{})))
		})
	})
	t.Run("a truncated message is malformed", func(t *testing.T) {
		c := committed(newConversation(), 7, "bob")
		data := appendCommitted(appendHeader(nil, origin{1}), &c)
		for n := range data {
			if n == headerSize {
				continue // a message without records
			}
			_, err := decode(data[:n])
			require.ErrorIs(t, err, errMalformed, "%d bytes", n)
		}
	})
	t.Run("a message of another version is malformed", func(t *testing.T) {
		_, err := decode(append([]byte{codecVersion + 1}, make([]byte, 8)...))
		require.ErrorIs(t, err, errMalformed)
	})
	t.Run("unknown records are skipped", func(t *testing.T) {
		c := committed(newConversation(), 7)
		data := append(appendHeader(nil, origin{}), 99, 3, 'x', 'y', 'z')
		got, err := decode(appendCommitted(data, &c))
		require.NoError(t, err)
		require.Len(t, got.committed, 1)
	})
	t.Run("a commit with a hole is malformed", func(t *testing.T) {
		c := committed(newConversation(), 7)
		c.Events = append(c.Events, committed(c.ConversationID, 9).Events...)
		_, err := decode(appendCommitted(appendHeader(nil, origin{}), &c))
		require.ErrorIs(t, err, errMalformed)
	})
	t.Run("bodies are not parsed", func(t *testing.T) {
		c := committed(newConversation(), 1)
		c.Events[0].Body = json.RawMessage("{\"a\": 1e400,\t\"a\":\"\\ud800\"")
		got, err := decode(appendCommitted(appendHeader(nil, origin{}), &c))
		require.NoError(t, err)
		require.Equal(t, c.Events[0].Body, got.committed[0].Events[0].Body)
	})
}

func drawCommitted(t *rapid.T) domain.Committed {
	id := domain.ConversationID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "conversation"))
	c := domain.Committed{ConversationID: id, Epoch: rapid.String().Draw(t, "epoch")}
	first := rapid.Int64Range(1, math.MaxInt64-8).Draw(t, "first")
	for i := range rapid.Int64Range(0, 4).Draw(t, "events") {
		c.Events = append(c.Events, domain.Event{
			ConversationID: id,
			Seq:            first + i,
			Type:           domain.EventType(rapid.String().Draw(t, "type")),
			Sender:         domain.UserID(rapid.String().Draw(t, "sender")),
			ClientMsgID:    rapid.String().Draw(t, "client_msg_id"),
			At:             domain.TimeOf(time.UnixMicro(rapid.Int64Range(-1e15, 1e16).Draw(t, "at"))),
			Body:           rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		})
	}
	return c
}

func drawSignal(t *rapid.T) domain.Signal {
	user := domain.UserID(rapid.StringN(1, 100, -1).Draw(t, "user"))
	frame := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "frame")
	switch rapid.IntRange(0, 4).Draw(t, "kind of signal") {
	case 0:
		return domain.UserFrame{User: user, Frame: frame, Except: domain.SessionID(rapid.String().Draw(t, "except"))}
	case 1:
		return domain.Broadcast{Frame: frame}
	case 2:
		id := domain.ConversationID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "conversation"))
		id[0] |= 1
		return domain.ConversationFrame{Conversation: id, From: user, Frame: frame}
	case 3:
		return domain.EndSessions{
			User:    user,
			Session: domain.SessionID(rapid.String().Draw(t, "session")),
			Below:   rapid.Int64().Draw(t, "below"),
			Code:    rapid.IntRange(-1, 5000).Draw(t, "code"),
		}
	default:
		return domain.PresenceChanged{User: user}
	}
}

func FuzzDecode(f *testing.F) {
	c := committed(domain.ConversationID{1}, 7, "bob")
	data := appendCommitted(appendHeader(nil, origin{9}), &c)
	data = appendSignal(data, domain.EndSessions{User: "bob", Session: "s", Code: 4402})
	f.Add(appendSignal(data, domain.UserFrame{User: "bob", Frame: json.RawMessage(`{}`)}))
	f.Add([]byte{})
	f.Add([]byte{codecVersion, 0, 0, 0, 0, 0, 0, 0, 0, kindCommitted, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(data)
		if err != nil {
			require.Zero(t, p.committed)
			return
		}
		again := appendHeader(nil, p.origin)
		for i := range p.committed {
			again = appendCommitted(again, &p.committed[i])
		}
		for i := range p.signals {
			again = appendSignal(again, p.signals[i])
		}
		q, err := decode(again)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, q, cmp.AllowUnexported(envelope{})))
	})
}
