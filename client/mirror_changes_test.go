package client

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// scene is a mirror of one conversation with bob, as the user alice.
type scene struct {
	t      *testing.T
	mirror mirror
	id     ConversationID
	head   int64
}

// newScene returns a scene at a head of 10. Everything up to 5 is read; 6 to 10 are
// messages of bob, of which the last one mentions alice.
func newScene(t *testing.T) *scene {
	s := &scene{t: t, mirror: newMirror(), id: domain.NewConversationID(time.Now()), head: 10}
	s.mirror.self = "alice"
	s.mirror.put(s.view(10, 5, 5, 1))
	return s
}

func (s *scene) view(head, read, unread, mentions int64) Conversation {
	last := Message{ConversationID: s.id, Seq: 10, Sender: "bob", Content: Text("ten"), Mentions: []UserID{"alice"}, Reactions: []Reaction{}}
	return Conversation{
		ConversationID: s.id, HeadSeq: head, ReadSeq: read, UnreadCount: unread, MentionCount: mentions, LastMessage: &last, MemberCount: 3,
		Settings: domain.DefaultSettings(), Preferences: domain.DefaultPreferences(),
	}
}

func (s *scene) event(kind EventType, sender UserID, body any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(s.t, err)
	s.head++
	s.mirror.apply(&Event{ConversationID: s.id, Seq: s.head, Type: kind, Sender: sender, Body: text})
}

func (s *scene) post(sender UserID, mentions ...UserID) (seq int64) {
	s.t.Helper()
	s.event(domain.MessagePosted, sender, domain.PostedBody{Content: Text(fmt.Sprint(s.head + 1)), Mentions: mentions})
	return s.head
}

func (s *scene) edit(seq int64, mentions ...UserID) {
	s.t.Helper()
	s.event(domain.MessageEdited, "bob", domain.EditedBody{TargetSeq: seq, Content: Text("edited"), Mentions: mentions})
}

func (s *scene) recall(seq int64) {
	s.t.Helper()
	s.event(domain.MessageRecalled, "bob", domain.RecalledBody{TargetSeq: seq})
}

func (s *scene) last() *Message { return s.mirror.views[s.id].LastMessage }

// has checks the counts, and whether there is a doubt about them.
func (s *scene) has(unread, mentions int64, doubted bool) {
	s.t.Helper()
	v := s.mirror.views[s.id]
	require.Equal(s.t, []int64{unread, mentions}, []int64{v.UnreadCount, v.MentionCount}, "unread, mentions")
	require.Equal(s.t, doubted, s.mirror.doubts[s.id] != nil, "doubted")
}

func TestMirrorOfAChangedMessage(t *testing.T) {
	for name, test := range map[string]func(*scene){
		"a recalled message is not unread": func(s *scene) {
			seq := s.post("bob", "alice")
			s.has(6, 2, false)
			s.recall(seq)
			s.has(5, 1, false)
			require.True(t, s.last().Recalled)
			require.Empty(t, TextOf(s.last().Content))
			require.Empty(t, s.last().Mentions)
		},
		"an edit adds and removes a mention": func(s *scene) {
			seq := s.post("bob")
			s.edit(seq, domain.Everyone)
			s.has(6, 2, false)
			s.edit(seq, "carol")
			s.has(6, 1, false)
			require.Equal(t, "edited", TextOf(s.last().Content))
			require.NotNil(t, s.last().EditedAt)
		},
		"an edit and then a recall of an older message": func(s *scene) {
			seq := s.post("bob")
			s.post("bob")
			s.edit(seq, "alice")
			s.has(7, 2, false)
			s.recall(seq)
			s.has(6, 1, false)
			require.Equal(t, "12", TextOf(s.last().Content))
		},
		"the last message of a state is known, too": func(s *scene) {
			s.edit(10, "bob")
			s.has(5, 0, false)
			s.edit(10, "alice", "bob")
			s.has(5, 1, false)
			s.recall(10)
			s.has(4, 0, false)
		},
		"what is read counts for nothing": func(s *scene) {
			s.recall(3)
			s.edit(4, "alice")
			s.has(5, 1, false)
			require.Equal(t, "ten", TextOf(s.last().Content))
		},
		"the user's own messages count for nothing": func(s *scene) {
			seq := s.post("alice", domain.Everyone)
			s.has(0, 0, false)
			s.edit(seq, "alice")
			s.recall(seq)
			s.has(0, 0, false)
			require.True(t, s.last().Recalled)
		},
		"a message that is not known leaves a doubt": func(s *scene) {
			s.recall(7)
			s.has(5, 1, true)
			s.mirror.put(s.view(10, 5, 5, 1)) // of before
			s.has(5, 1, true)
			s.post("bob")
			s.has(6, 1, true)
			s.mirror.put(s.view(11, 5, 4, 1)) // without the new one
			s.has(5, 1, false)
		},
		"a doubt of many events starts over": func(s *scene) {
			s.recall(7)
			for range maxLater + 10 {
				s.post("bob")
			}
			s.mirror.put(s.view(20, 5, 13, 1))
			s.has(5+maxLater+10, 1, true)
			s.mirror.put(s.view(s.head, 5, 4+maxLater+10, 1))
			s.has(4+maxLater+10, 1, false)
		},
		"a doubt about what was read in the meantime": func(s *scene) {
			s.recall(7) // the doubt
			seq := s.post("bob", "alice")
			s.recall(seq)
			s.mirror.put(s.view(11, 10, 0, 0))
			s.has(0, 0, false)
		},
		"reading up to a known message": func(s *scene) {
			seq := s.post("bob", "alice")
			s.post("bob")
			s.mirror.read(&ReadState{ConversationID: s.id, ReadSeq: seq, UnreadCount: 99, MentionCount: 99})
			s.has(1, 0, false)
		},
		"reading up to a message that is not known": func(s *scene) {
			s.mirror.read(&ReadState{ConversationID: s.id, ReadSeq: 7, UnreadCount: 3, MentionCount: 1})
			s.has(3, 1, true)
			s.mirror.put(s.view(10, 7, 3, 1))
			s.has(3, 1, false)
		},
		"a message brings a conversation back from the archive": func(s *scene) {
			s.mirror.views[s.id].Preferences.Archived = true
			s.edit(10)
			require.True(t, s.mirror.views[s.id].Preferences.Archived)
			s.post("bob")
			require.False(t, s.mirror.views[s.id].Preferences.Archived)
		},
		"reactions and pins of the last message": func(s *scene) {
			for _, user := range []UserID{"bob", "alice"} {
				s.event(domain.ReactionAdded, user, domain.ReactionBody{TargetSeq: 10, Emoji: "👍"})
			}
			require.Equal(t, []Reaction{{Emoji: "👍", Count: 2, Mine: true}}, s.last().Reactions)
			s.event(domain.ReactionAdded, "bob", domain.ReactionBody{TargetSeq: 10, Emoji: "🎉"})
			s.event(domain.ReactionRemoved, "alice", domain.ReactionBody{TargetSeq: 10, Emoji: "👍"})
			require.Equal(t, []Reaction{{Emoji: "👍", Count: 1}, {Emoji: "🎉", Count: 1}}, s.last().Reactions)
			s.has(5, 1, true) // the order of the emojis is not known
			s.event(domain.ReactionRemoved, "bob", domain.ReactionBody{TargetSeq: 10, Emoji: "👍"})
			s.event(domain.MessagePinned, "bob", domain.PinBody{TargetSeq: 10})
			require.True(t, s.last().Pinned)
			require.Equal(t, []Reaction{{Emoji: "🎉", Count: 1}}, s.last().Reactions)
		},
		"a mirror knows a bounded number of unread messages": func(s *scene) {
			for range maxUnread + 5 {
				s.post("bob", "alice")
			}
			s.recall(11)
			s.has(5+maxUnread+5, 1+maxUnread+5, true)
			s.recall(s.head - 1)
			s.has(5+maxUnread+4, 1+maxUnread+4, true)
		},
		"a new setting of history leaves a doubt": func(s *scene) {
			settings := domain.DefaultSettings()
			settings.History = domain.HistorySinceJoin
			s.event(domain.ConversationUpdated, "bob", domain.UpdatedBody{Settings: &settings})
			s.has(5, 1, true)
		},
	} {
		t.Run(name, func(t *testing.T) { test(newScene(t)) })
	}
}

// What a reader holds does not change under it.
func TestMirrorReplacesTheLastMessage(t *testing.T) {
	s := newScene(t)
	held := s.mirror.list()[0]
	s.event(domain.ReactionAdded, "bob", domain.ReactionBody{TargetSeq: 10, Emoji: "👍"})
	s.recall(10)
	require.Equal(t, "ten", TextOf(held.LastMessage.Content))
	require.Empty(t, held.LastMessage.Reactions)
}

func TestMessageAfter(t *testing.T) {
	s := newScene(t)
	m := *s.last()
	event := func(kind EventType, body string) Event {
		return Event{ConversationID: s.id, Seq: 11, Type: kind, Sender: "bob", Body: json.RawMessage(body)}
	}
	for _, e := range []Event{
		event(domain.MessageEdited, `{"target_seq":9,"content":{}}`), event(domain.MessagePosted, `{"content":{}}`), event("some.day", `{"target_seq":10}`),
		{ConversationID: domain.NewConversationID(time.Now()), Type: domain.MessageRecalled, Body: json.RawMessage(`{"target_seq":10}`)},
	} {
		after, ok := MessageAfter(m, e, "alice")
		require.False(t, ok)
		require.Equal(t, m, after)
	}
	after, ok := MessageAfter(m, event(domain.MessageEdited, `{"target_seq":10}`), "alice")
	require.True(t, ok)
	require.Equal(t, m, after, "an edit of a message that the user may not read says nothing")
	after, _ = MessageAfter(m, event(domain.MessageEdited, `{"target_seq":10,"content":null}`), "alice")
	require.True(t, after.Recalled, "an edit that a later recall has erased")
	after, _ = MessageAfter(after, event(domain.MessageEdited, `{"target_seq":10,"content":{"type":"text","text":"back"}}`), "alice")
	require.Empty(t, TextOf(after.Content), "a recalled message stays recalled")
	require.NotNil(t, after.EditedAt)
}
