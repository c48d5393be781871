package realtime

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// drain takes everything that waits, as the writer would.
func drain(o *outbox) (frames []heard) {
	for batch := o.take(); batch != nil; batch = o.take() {
		for _, w := range batch {
			frames = append(frames, decode(w))
		}
	}
	return frames
}

func types(frames []heard) (list []string) {
	for _, f := range frames {
		list = append(list, f.Type)
	}
	return list
}

func TestOutbox(t *testing.T) {
	id, other := domain.NewConversationID(time.Now()), domain.NewConversationID(time.Now())
	frame := func(kind string, size int) wire {
		return textFrame([]byte(`{"type":"` + kind + `","pad":"` + strings.Repeat("x", size) + `"}`))
	}
	small, large := frame("event", 10), frame("event", 600)
	starts := 0
	newOne := func() *outbox { starts = 0; return newOutbox(1000, func() { starts++ }, func() {}) }

	t.Run("after one event was given up, so are the next of its conversation", func(t *testing.T) {
		o := newOne()
		o.event(id, 1, large)
		o.event(id, 2, large) // does not fit
		o.event(id, 3, small) // would
		o.event(other, 1, small)
		frames := drain(o)
		require.Equal(t, []string{"event", "event", "gap"}, types(frames))
		require.Equal(t, map[domain.ConversationID]int64{id: 3}, frames[2].Conversations)
		o.event(id, 4, small)
		require.Equal(t, []string{"event"}, types(drain(o)))
	})
	t.Run("typing is given up from half of the queue on, events are not", func(t *testing.T) {
		o := newOne()
		o.event(id, 1, large)
		require.False(t, o.offerFleeting(small))
		require.True(t, o.offer(small))
		o.event(id, 2, small)
		require.Equal(t, []string{"event", "event", "event"}, types(drain(o)))
		require.True(t, o.offerFleeting(small))
	})
	t.Run("an event that never fits is a gap at once", func(t *testing.T) {
		o := newOne()
		o.event(id, 1, frame("event", 2000))
		require.Equal(t, 1, starts)
		require.Equal(t, []string{"gap"}, types(drain(o)))
	})
	t.Run("many gaps are split", func(t *testing.T) {
		o := newOne()
		o.answer(frame("answer", 900))
		for range gapConversations + 1 {
			o.event(domain.NewConversationID(time.Now()), 1, large)
		}
		frames := drain(o)
		require.Equal(t, []string{"answer", "gap", "gap"}, types(frames))
		require.Len(t, frames[1].Conversations, gapConversations)
		require.Len(t, frames[2].Conversations, 1)
	})
	t.Run("answers are kept, signals are not, and there is room again below half", func(t *testing.T) {
		o := newOne()
		require.Nil(t, o.full())
		o.answer(frame("answer", 900))
		o.answer(frame("answer", 900))
		require.False(t, o.offer(small))
		room := o.full()
		require.NotNil(t, room)
		require.Len(t, drain(o), 2)
		<-room
		require.Nil(t, o.full())
	})
	t.Run("the close frame is the last", func(t *testing.T) {
		o := newOne()
		o.event(id, 1, small)
		o.end(closeReplaced)
		o.end(closeEpoch)
		o.event(id, 2, small)
		o.answer(small)
		frames := drain(o)
		require.Equal(t, []string{"event", "close"}, types(frames))
		require.Equal(t, 4402, frames[1].Code)
		<-o.done
	})
	t.Run("one writer at a time", func(t *testing.T) {
		o := newOne()
		o.answer(small)
		o.answer(small)
		require.Equal(t, 1, starts)
		drain(o)
		o.answer(small)
		require.Equal(t, 2, starts)
	})
}
