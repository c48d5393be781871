package hub

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/realtimetest"
	"im/test/eventually"
)

// edits returns the bodies of the edits that were received.
func (r *recorder) edits() (bodies []string) {
	for _, f := range r.received() {
		if f.Type == "event" && f.Event.Type == domain.MessageEdited {
			bodies = append(bodies, string(f.Event.Body))
		}
	}
	return bodies
}

func (s *harness) awaitSeqs(r *recorder, id domain.ConversationID, want ...int64) {
	s.t.Helper()
	eventually.True(s.t, "the events arrive", func() bool { return slices.Equal(want, r.seqs(id)) })
}

// TestEditsBelowTheFloorAreRedacted: where members may not read what is older than
// their joining, they receive edits of it without content, and the other members
// in full. The hub follows the setting, and a member who joins again.
func TestEditsBelowTheFloorAreRedacted(t *testing.T) {
	const full, redacted = `{"target_seq":2,"content":{"type":"text","text":"secret"},"mentions":["b"]}`, `{"target_seq":2}`
	s := newHarness(t, 5*time.Millisecond)
	id := s.store.NewGroup("a")
	s.store.Post(id, "a", "old") // 2
	s.store.SetHistory(id, domain.HistorySinceJoin)
	s.store.AddMember(id, "b") // 4
	early, late := s.connect("a", "1"), s.connect("b", "2")

	s.push(s.store.EditSecret(id, 2))
	s.awaitSeqs(late, id, 5)
	require.Equal(t, []string{redacted}, late.edits())

	s.push(s.store.Post(id, "a", "new"), s.store.EditSecret(id, 6))
	s.awaitSeqs(late, id, 5, 6, 7)
	require.Contains(t, late.edits()[1], "secret", "of a message that may be read")

	s.push(s.store.SetHistory(id, domain.HistoryAll), s.store.EditSecret(id, 2))
	s.awaitSeqs(late, id, 5, 6, 7, 8, 9)
	require.Equal(t, full, late.edits()[2], "the setting has changed")

	s.push(s.store.SetHistory(id, domain.HistorySinceJoin), s.store.EditSecret(id, 2))
	s.store.EditSecret(id, 2) // is delivered by the tail
	s.awaitSeqs(late, id, 5, 6, 7, 8, 9, 10, 11, 12)
	require.Equal(t, []string{redacted, redacted}, late.edits()[3:], "and has changed again")

	s.push(s.store.RemoveMember(id, "b"), s.store.AddMember(id, "b"), s.store.EditSecret(id, 6))
	eventually.True(t, "the frames arrive", func() bool { return len(late.edits()) == 6 })
	require.Equal(t, `{"target_seq":6}`, late.edits()[5], "the floor moves with the joining")

	eventually.True(t, "the frames arrive", func() bool { return len(early.edits()) == 6 })
	for _, body := range early.edits() {
		require.Contains(t, body, "secret")
	}
}

// TestEditsInABackfillAreRedacted: a user who is added while connected receives the
// events since the joining the same way.
func TestEditsInABackfillAreRedacted(t *testing.T) {
	s := newHarness(t, 5*time.Millisecond)
	id := s.store.NewGroup("a")
	s.store.Post(id, "a", "old") // 2
	s.store.SetHistory(id, domain.HistorySinceJoin)
	first, second := s.connect("b", "1"), s.connect("c", "2")
	s.store.SetUnavailable(true)
	joining := []domain.Event{s.store.AddMember(id, "b"), s.store.Post(id, "a", "new"), s.store.AddMember(id, "c"), s.store.EditSecret(id, 5), s.store.EditSecret(id, 2)}
	s.push(joining...)
	s.store.SetUnavailable(false)
	s.awaitSeqs(first, id, 4, 5, 6, 7, 8)
	s.awaitSeqs(second, id, 6, 7, 8)
	require.Contains(t, first.edits()[0], "secret")
	require.Equal(t, `{"target_seq":2}`, first.edits()[1])
	require.Equal(t, []string{`{"target_seq":5}`, `{"target_seq":2}`}, second.edits())
}

// TestEventIsEncodedTwiceAtMost: once in full and, if an edit has to be redacted,
// once more, however many members receive it.
func TestEventIsEncodedTwiceAtMost(t *testing.T) {
	store := realtimetest.NewStore()
	id := store.NewGroup("a")
	posted, edited := store.Post(id, "a", "x"), store.EditSecret(id, 2)
	v := &conversation{sinceJoin: true}
	for _, ev := range []*domain.Event{&posted, &edited} {
		e := v.encode(ev)
		require.Same(t, &e.readableFrom(2)[0], &e.full[0])
		require.Nil(t, e.redacted, "made when it is first needed")
		require.Equal(t, ev == &posted, &e.readableFrom(9)[0] == &e.full[0])
		require.Same(t, &e.readableFrom(3)[0], &e.readableFrom(9)[0])
	}
	v.sinceJoin = false
	e := v.encode(&edited)
	require.Same(t, &e.readableFrom(v.floor(membership{joined: 9}))[0], &e.full[0])
}

func TestLatestHistorySettingIsKept(t *testing.T) {
	var v conversation
	v.setSinceJoin(5, true)
	v.setSinceJoin(4, false) // of a view that was read before
	require.True(t, v.sinceJoin)
	v.setSinceJoin(6, false)
	require.False(t, v.sinceJoin)
}
