package ws

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/realtime/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// received is a decoded frame.
type received struct {
	Type          string                          `json:"type"`
	Conversations map[domain.ConversationID]int64 `json:"conversations"`
	Code          int                             `json:"-"` // of a close frame
}

func decode(f wire.Frame) (r received) {
	if payload := f.Payload(); f.IsClose() {
		return received{Type: "close", Code: int(payload[0])<<8 | int(payload[1])}
	}
	if err := json.Unmarshal(f.Payload(), &r); err != nil {
		panic(err)
	}
	return r
}

// drain takes everything from a queue, as its writer would.
func drain(q *SendQueue) (frames []received) {
	for batch := q.Next(); batch != nil; batch = q.Next() {
		for _, f := range batch {
			frames = append(frames, decode(f))
		}
	}
	return frames
}

func types(frames []received) (list []string) {
	for _, f := range frames {
		list = append(list, f.Type)
	}
	return list
}

func TestSendQueue(t *testing.T) {
	id, other := domain.NewConversationID(time.Now()), domain.NewConversationID(time.Now())
	frame := func(kind string, size int) wire.Frame {
		return wire.Text([]byte(`{"type":"` + kind + `","pad":"` + strings.Repeat("x", size) + `"}`))
	}
	small, large := frame("event", 10), frame("event", 600)
	starts := 0
	newOne := func() *SendQueue { starts = 0; return NewSendQueue(1000, func() { starts++ }, func() {}) }

	t.Run("after a dropped event the next ones of its conversation are dropped", func(t *testing.T) {
		q := newOne()
		q.SendEvent(id, 1, large)
		q.SendEvent(id, 2, large) // does not fit
		q.SendEvent(id, 3, small) // would
		q.SendEvent(other, 1, small)
		frames := drain(q)
		require.Equal(t, []string{"event", "event", "gap"}, types(frames))
		require.Equal(t, map[domain.ConversationID]int64{id: 3}, frames[2].Conversations)
		q.SendEvent(id, 4, small)
		require.Equal(t, []string{"event"}, types(drain(q)))
	})
	t.Run("droppable frames are dropped from half of the limit on, events are not", func(t *testing.T) {
		q := newOne()
		q.SendEvent(id, 1, large)
		require.False(t, q.TrySendDroppable(small))
		require.True(t, q.TrySend(small))
		q.SendEvent(id, 2, small)
		require.Equal(t, []string{"event", "event", "event"}, types(drain(q)))
		require.True(t, q.TrySendDroppable(small))
	})
	t.Run("an event that never fits is a gap at once", func(t *testing.T) {
		q := newOne()
		q.SendEvent(id, 1, frame("event", 2000))
		require.Equal(t, 1, starts)
		require.Equal(t, []string{"gap"}, types(drain(q)))
	})
	t.Run("many gaps are split into several frames", func(t *testing.T) {
		q := newOne()
		q.Send(frame("answer", 900))
		for range MaxGapConversations + 1 {
			q.SendEvent(domain.NewConversationID(time.Now()), 1, large)
		}
		frames := drain(q)
		require.Equal(t, []string{"answer", "gap", "gap"}, types(frames))
		require.Len(t, frames[1].Conversations, MaxGapConversations)
		require.Len(t, frames[2].Conversations, 1)
	})
	t.Run("answers are kept, signals are not, and there is room again below half", func(t *testing.T) {
		q := newOne()
		require.Nil(t, q.Room())
		q.Send(frame("answer", 900))
		q.Send(frame("answer", 900))
		require.False(t, q.TrySend(small))
		room := q.Room()
		require.NotNil(t, room)
		require.Len(t, drain(q), 2)
		<-room
		require.Nil(t, q.Room())
	})
	t.Run("the close frame is the last", func(t *testing.T) {
		q := newOne()
		q.SendEvent(id, 1, small)
		q.Close(wire.CloseReplaced)
		q.Close(wire.CloseEpoch)
		q.SendEvent(id, 2, small)
		q.Send(small)
		frames := drain(q)
		require.Equal(t, []string{"event", "close"}, types(frames))
		require.Equal(t, 4402, frames[1].Code)
		<-q.Done()
	})
	t.Run("one writer at a time", func(t *testing.T) {
		q := newOne()
		q.Send(small)
		q.Send(small)
		require.Equal(t, 1, starts)
		drain(q)
		q.Send(small)
		require.Equal(t, 2, starts)
	})
}
