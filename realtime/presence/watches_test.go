package presence

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/hub"
	"im/realtime/wire"
)

// drain takes all frames from a session's queue and returns their types.
func drain(t *testing.T, s *hub.Session) (types []string) {
	t.Helper()
	for batch := s.Queue.Next(); batch != nil; batch = s.Queue.Next() {
		for _, f := range batch {
			var frame struct{ Type string }
			require.NoError(t, json.Unmarshal(wire.Frame(f).Payload(), &frame))
			types = append(types, frame.Type)
		}
	}
	return types
}

func TestRefresherMakesAllDue(t *testing.T) {
	w, src, begin := NewWatches(), &source{}, time.Now()
	r := &Refresher{watches: w, lookup: NewLookup(src, nil), refreshed: begin}
	s := newSession("a", 1000)
	w.Set(s, "", []domain.UserID{"b"})
	w.take()
	due := func(after time.Duration) bool {
		r.tick(begin.Add(after))
		return len(w.take()) > 0
	}
	require.False(t, due(59*time.Second))
	require.True(t, due(time.Minute), "once a minute")
	require.False(t, due(time.Minute+time.Second))
	src.massChanges++
	for n := range 5 {
		require.True(t, due(61*time.Second+time.Duration(n+1)*time.Second), "at once after a mass change, and every second of the grace period")
	}
	require.False(t, due(67*time.Second))
	w.Remove(s)
	require.Empty(t, w.viewers)
	require.Empty(t, w.watched)
}

func TestWatchesSendWhatHasChanged(t *testing.T) {
	w := NewWatches()
	s := newSession("a", 200)
	w.Set(s, "", []domain.UserID{"b"})
	list := w.take()[domain.PresenceQuery{Viewer: "a", User: "b"}]
	require.Len(t, list, 1)
	online := domain.Presence{UserID: "b", Online: new(true)}
	s.Queue.Send(wire.Text([]byte(`{"type":"large","pad":"` + strings.Repeat("x", 120) + `"}`)))
	w.send(list, online)
	require.Len(t, w.take(), 1, "due again, because there was no room")
	drain(t, s)
	w.send(list, online)
	w.send(list, online)
	require.Equal(t, []string{"presence"}, drain(t, s), "the second one is unchanged")
	w.Remove(s)
	w.send(list, domain.Presence{UserID: "b", Online: new(false)})
	w.putBack(list)
	require.Empty(t, drain(t, s))
	require.Empty(t, w.take())
}
