package domain

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

const target = 7

// withMessageOf loads a message with the seq target.
func (s scenario) withMessageOf(author UserID, mentions ...UserID) scenario {
	s.conversation.LoadMessage(&MessageState{
		Seq: target, Sender: author, Content: json.RawMessage(`{"type":"text","text":"hi"}`), Mentions: mentions, Revision: target,
	})
	return s
}

func edit(c commandBase, words string, mentions ...UserID) Command {
	return &editMessage{messageBase: messageBase{c, target}, want: Edit{Content: text(words), Mentions: mentions}}
}

func recall(c commandBase) Command { return &recallMessage{messageBase: messageBase{c, target}} }

func addReaction(c commandBase, emoji string) Command {
	return &react{messageBase: messageBase{c, target}, emoji: emoji, limit: 2}
}

func removeReaction(c commandBase, emoji string) Command {
	return &react{messageBase: messageBase{c, target}, emoji: emoji, remove: true}
}

func addPin(c commandBase) Command    { return &pin{messageBase: messageBase{c, target}, limit: 2} }
func removePin(c commandBase) Command { return &pin{messageBase: messageBase{c, target}, remove: true} }

func groupOfFour() scenario { return group(owner("olga"), admin("adam"), member("mia"), member("max")) }

// TestPermissionsOnMessages has the rows of the table of docs/roles.md for messages.
func TestPermissionsOnMessages(t *testing.T) {
	const yes = ""
	no := string(CodeForbidden)
	for _, row := range []struct {
		what                            string
		of                              UserID // the author
		command                         func(commandBase) Command
		olga, adam, mia, app, otherwise string // owner, admin, member, backend, and the author
	}{
		{"edit", "max", func(c commandBase) Command { return edit(c, "ho") }, no, no, no, no, yes},
		{"recall a member's", "max", recall, yes, yes, no, yes, yes},
		{"recall an admin's", "adam", recall, yes, yes, no, yes, no},
		{"recall the owner's", "olga", recall, yes, yes, no, yes, no},
		{"react", "max", func(c commandBase) Command { return addReaction(c, "+1") }, yes, yes, yes, yes, yes},
		{"pin", "max", addPin, yes, yes, no, yes, no},
	} {
		t.Run(row.what, func(t *testing.T) {
			for user, code := range map[UserID]string{
				"olga": row.olga, "adam": row.adam, "mia": row.mia, "app": row.app, "max": row.otherwise,
				"eve": string(CodeNotFound),
			} {
				c := as(user)
				c.actor.Backend = user == "app"
				drafts, err := row.command(c).Decide(groupOfFour().withMessageOf(row.of).conversation)
				if code == yes {
					require.NoError(t, err, user)
					require.Len(t, drafts, 1, user)
					continue
				}
				require.ErrorIs(t, err, &Error{Code: Code(code)}, user)
				require.Empty(t, drafts)
			}
		})
	}
	t.Run("in a direct conversation", func(t *testing.T) {
		direct("a", "b").withMessageOf("a").
			refused(t, edit(as("b"), "x"), ErrForbidden).
			refused(t, recall(as("b")), ErrForbidden).
			then(t, addReaction(as("b"), "+1"), "reaction.added").
			then(t, addPin(as("b")), "message.pinned").
			then(t, removePin(as("a")), "message.unpinned").
			then(t, recall(as("a")), "message.recalled")
		direct("a", "b").withMessageOf("a").then(t, recall(backend), "message.recalled")
	})
	t.Run("a blocked user may only undo", func(t *testing.T) {
		direct("a", "b").withMessageOf("a").
			then(t, addReaction(as("a"), "+1"), "reaction.added").
			then(t, addPin(as("a")), "message.pinned").
			with(func(c *Conversation) { c.SetBlocked("a") }).
			refused(t, edit(as("a"), "x"), ErrBlocked).
			refused(t, addReaction(as("a"), "-1"), ErrBlocked).
			then(t, removeReaction(as("a"), "+1"), "reaction.removed").
			then(t, removePin(as("a")), "message.unpinned").
			refused(t, addPin(as("a")), ErrBlocked).
			then(t, addPin(as("b")), "message.pinned").
			then(t, recall(as("a")), "message.recalled")
	})
	t.Run("authors may change their messages where only admins post", func(t *testing.T) {
		groupOfFour().withMessageOf("mia").with(func(c *Conversation) { c.Settings.Posting = PostingAdmins }).
			then(t, edit(as("mia"), "x"), "message.edited").
			then(t, recall(as("mia")), "message.recalled")
	})
}

func TestCommandsOnMissingMessages(t *testing.T) {
	for _, cmd := range []Command{
		edit(as("olga"), "x"), recall(as("olga")), addReaction(as("olga"), "+1"), removeReaction(as("olga"), "+1"), addPin(as("olga")), removePin(as("olga")),
	} {
		groupOfFour().refused(t, cmd, ErrNotFound)
		groupOfFour().withMessageOf("olga").then(t, remove(as("adam"), "mia"), "member.removed mia member").refused(t, &recallMessage{messageBase: messageBase{as("mia"), target}}, ErrNotFound)
	}
}

func TestEdit(t *testing.T) {
	body := func(t *testing.T, s scenario, cmd Command) string {
		t.Helper()
		drafts, err := cmd.Decide(s.conversation)
		require.NoError(t, err)
		require.Len(t, drafts, 1)
		return string(drafts[0].Body)
	}
	t.Run("the event has the whole message", func(t *testing.T) {
		require.Equal(t, `{"target_seq":7,"content":{"type":"text","text":"ho"},"mentions":["olga","adam"]}`,
			body(t, groupOfFour().withMessageOf("mia", "olga", "adam"), edit(as("mia"), "ho")), "absent mentions stay")
		none := &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: text("ho"), Mentions: []UserID{}}}
		require.Equal(t, `{"target_seq":7,"content":{"type":"text","text":"ho"}}`, body(t, groupOfFour().withMessageOf("mia", "olga"), none), "[] drops them")
	})
	t.Run("equal content is no change", func(t *testing.T) {
		same := json.RawMessage(` { "text":"\u0068i" ,"type":"text"}`)
		groupOfFour().withMessageOf("mia", "olga").
			then(t, &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: same}}).
			then(t, &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: same, Mentions: []UserID{"olga"}}}).
			then(t, &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: same, Mentions: []UserID{}}}, "message.edited").
			then(t, edit(as("mia"), "hi")).
			then(t, edit(as("mia"), "ho"), "message.edited").
			then(t, edit(as("mia"), "hi"), "message.edited")
	})
	t.Run("new mentions are checked as in a posting", func(t *testing.T) {
		groupOfFour().withMessageOf("mia").
			refused(t, edit(as("mia"), "x", "eve"), ErrInvalid).
			refused(t, edit(as("mia"), "x", Everyone), ErrForbidden).
			then(t, edit(as("mia"), "x", "olga", "olga"), "message.edited")
		groupOfFour().withMessageOf("adam").then(t, edit(as("adam"), "x", Everyone), "message.edited")
	})
	t.Run("kept mentions are not checked", func(t *testing.T) {
		groupOfFour().withMessageOf("mia", "gone", Everyone).then(t, edit(as("mia"), "x"), "message.edited")
	})
}

func TestRecalled(t *testing.T) {
	groupOfFour().withMessageOf("mia").
		then(t, addReaction(as("max"), "+1"), "reaction.added").
		then(t, addPin(as("olga")), "message.pinned").
		then(t, recall(as("mia")), "message.recalled").
		then(t, recall(as("mia"))).
		then(t, recall(as("olga"))).
		refused(t, recall(as("max")), ErrForbidden).
		refused(t, edit(as("mia"), "back again"), ErrConflict).
		refused(t, edit(as("olga"), "back again"), ErrForbidden).
		refused(t, addReaction(as("mia"), "+1"), ErrConflict).
		then(t, addReaction(as("max"), "+1")).
		then(t, removeReaction(as("max"), "+1"), "reaction.removed").
		then(t, addPin(as("olga"))).
		then(t, removePin(as("olga")), "message.unpinned").
		refused(t, addPin(as("olga")), ErrConflict)
}

func TestReact(t *testing.T) {
	groupOfFour().withMessageOf("mia").
		then(t, removeReaction(as("max"), "+1")).
		then(t, addReaction(as("max"), "+1"), "reaction.added").
		then(t, addReaction(as("max"), "+1")).
		then(t, addReaction(as("max"), "😀"), "reaction.added").
		refused(t, addReaction(as("olga"), "👍"), ErrLimitExceeded).
		then(t, addReaction(as("olga"), "+1"), "reaction.added").
		then(t, removeReaction(as("max"), "+1"), "reaction.removed").
		then(t, removeReaction(as("max"), "+1"))
}

func TestPins(t *testing.T) {
	s := groupOfFour().withMessageOf("mia").with(func(c *Conversation) { c.Pins = []int64{3} })
	clone := scenario{s.conversation.Clone()}
	before := s.conversation.Version
	s.then(t, addPin(as("olga")), "message.pinned")
	require.Equal(t, []int64{3, target}, s.conversation.Pins)
	require.Greater(t, s.conversation.Version, before, "pins move the version")
	require.Equal(t, []int64{3}, clone.conversation.Pins, "clones do not share pins")
	s.then(t, addPin(as("adam"))).
		then(t, removePin(as("adam")), "message.unpinned").
		then(t, removePin(as("adam"))).
		with(func(c *Conversation) { c.Pins = []int64{3, 9} }).
		refused(t, addPin(as("adam")), ErrLimitExceeded)
}

func TestMessageEventsKeepTheVersion(t *testing.T) {
	s := groupOfFour().withMessageOf("mia")
	before := s.conversation.Version
	s.then(t, edit(as("mia"), "x"), "message.edited").
		then(t, addReaction(as("mia"), "+1"), "reaction.added").
		then(t, removeReaction(as("mia"), "+1"), "reaction.removed").
		then(t, recall(as("mia")), "message.recalled")
	require.Equal(t, before, s.conversation.Version)
}

// A clone has its own copies of loaded messages.
func TestClonesDoNotShareMessages(t *testing.T) {
	base := groupOfFour()
	m := &MessageState{Seq: target, Sender: "mia", Content: text("hi"), Revision: target}
	clone := scenario{base.conversation.Clone()}
	clone.conversation.LoadMessage(m)
	clone.then(t, addReaction(as("mia"), "+1"), "reaction.added").then(t, recall(as("mia")), "message.recalled")
	require.False(t, m.Recalled)
	require.Empty(t, m.Emojis)
	require.Empty(t, m.Reactions)
	base.refused(t, recall(as("mia")), ErrNotFound)
}
