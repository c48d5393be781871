package realtime

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// edits are the bodies of the edits that came.
func (l *listener) edits() (bodies []string) {
	for _, f := range l.heard() {
		if f.Type == "event" && f.Event.Type == domain.MessageEdited {
			bodies = append(bodies, string(f.Event.Body))
		}
	}
	return bodies
}

func (s *stage) awaitSeqs(l *listener, id domain.ConversationID, want ...int64) {
	s.t.Helper()
	s.eventually(func() bool { return slices.Equal(want, l.seqs(id)) })
}

// Where members read since their joining, edits of what is older come to them
// without content, and to the others whole; the hub follows the setting, and who
// joins anew.
func TestEditsOfWhatMayNotBeRead(t *testing.T) {
	const whole, bare = `{"target_seq":2,"content":{"type":"text","text":"secret"},"mentions":["b"]}`, `{"target_seq":2}`
	s := newStage(t, 5*time.Millisecond)
	id := s.w.create("a")
	s.w.post(id, "a", "old") // 2
	s.w.show(id, domain.HistorySinceJoin)
	s.w.add(id, "b") // 4
	early, late := s.connect("a", "1"), s.connect("b", "2")

	s.push(s.w.edit(id, 2))
	s.awaitSeqs(late, id, 5)
	require.Equal(t, []string{bare}, late.edits())

	s.push(s.w.post(id, "a", "new"), s.w.edit(id, 6))
	s.awaitSeqs(late, id, 5, 6, 7)
	require.Contains(t, late.edits()[1], "secret", "of a message that may be read")

	s.push(s.w.show(id, domain.HistoryAll), s.w.edit(id, 2))
	s.awaitSeqs(late, id, 5, 6, 7, 8, 9)
	require.Equal(t, whole, late.edits()[2], "the setting has changed")

	s.push(s.w.show(id, domain.HistorySinceJoin), s.w.edit(id, 2))
	s.w.edit(id, 2) // comes by the tail
	s.awaitSeqs(late, id, 5, 6, 7, 8, 9, 10, 11, 12)
	require.Equal(t, []string{bare, bare}, late.edits()[3:], "and has changed again")

	s.push(s.w.remove(id, "b"), s.w.add(id, "b"), s.w.edit(id, 6))
	s.eventually(func() bool { return len(late.edits()) == 6 })
	require.Equal(t, `{"target_seq":6}`, late.edits()[5], "the floor moves with the joining")

	s.eventually(func() bool { return len(early.edits()) == 6 })
	for _, body := range early.edits() {
		require.Contains(t, body, "secret")
	}
}

// Who is added gets the events since the joining the same way.
func TestEditsInAnIntroduction(t *testing.T) {
	s := newStage(t, 5*time.Millisecond)
	id := s.w.create("a")
	s.w.post(id, "a", "old") // 2
	s.w.show(id, domain.HistorySinceJoin)
	first, second := s.connect("b", "1"), s.connect("c", "2")
	s.w.setAway(true)
	joining := []domain.Event{s.w.add(id, "b"), s.w.post(id, "a", "new"), s.w.add(id, "c"), s.w.edit(id, 5), s.w.edit(id, 2)}
	s.push(joining...)
	s.w.setAway(false)
	s.awaitSeqs(first, id, 4, 5, 6, 7, 8)
	s.awaitSeqs(second, id, 6, 7, 8)
	require.Contains(t, first.edits()[0], "secret")
	require.Equal(t, `{"target_seq":2}`, first.edits()[1])
	require.Equal(t, []string{`{"target_seq":5}`, `{"target_seq":2}`}, second.edits())
}

// Two encodings at most, whoever reads; and one for what hides nothing.
func TestEncodings(t *testing.T) {
	w := newWorld()
	id := w.create("a")
	posted, edited := w.post(id, "a", "x"), w.edit(id, 2)
	e := &entry{sinceJoin: true}
	for _, ev := range []*domain.Event{&posted, &edited} {
		s := e.show(ev)
		require.Same(t, &s.from(2)[0], &s.whole[0])
		require.Nil(t, s.bare, "made at need")
		require.Equal(t, ev == &posted, &s.from(9)[0] == &s.whole[0])
		require.Same(t, &s.from(3)[0], &s.from(9)[0])
	}
	e.sinceJoin = false
	s := e.show(&edited)
	require.Same(t, &s.from(e.floor(membership{joined: 9}))[0], &s.whole[0])
}

func TestTheLatestSettingIsKept(t *testing.T) {
	var e entry
	e.learn(5, true)
	e.learn(4, false) // of a view that was read before
	require.True(t, e.sinceJoin)
	e.learn(6, false)
	require.False(t, e.sinceJoin)
}
