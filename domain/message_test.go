package domain

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const target = 7

// says makes a message of somebody known to the decisions.
func (s scenario) says(author UserID, mentions ...UserID) scenario {
	s.conversation.LoadMessage(&MessageState{
		Seq: target, Sender: author, Content: json.RawMessage(`{"type":"text","text":"hi"}`), Mentions: mentions, Revision: target,
	})
	return s
}

func edit(c commandBase, words string, mentions ...UserID) Command {
	return &editMessage{messageBase: messageBase{c, target}, want: Edit{Content: text(words), Mentions: mentions}}
}

func recall(c commandBase) Command { return &recallMessage{messageBase: messageBase{c, target}} }

func reacts(c commandBase, emoji string) Command {
	return &react{messageBase: messageBase{c, target}, emoji: emoji, limit: 2}
}

func unreacts(c commandBase, emoji string) Command {
	return &react{messageBase: messageBase{c, target}, emoji: emoji, remove: true}
}

func pins(c commandBase) Command   { return &pin{messageBase: messageBase{c, target}, limit: 2} }
func unpins(c commandBase) Command { return &pin{messageBase: messageBase{c, target}, remove: true} }

func club() scenario { return group(owner("olga"), admin("adam"), member("mia"), member("max")) }

// The rows of the table of docs/roles.md that are about messages.
func TestWhoMayDoWhatToMessages(t *testing.T) {
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
		{"react", "max", func(c commandBase) Command { return reacts(c, "+1") }, yes, yes, yes, yes, yes},
		{"pin", "max", pins, yes, yes, no, yes, no},
	} {
		t.Run(row.what, func(t *testing.T) {
			for user, code := range map[UserID]string{
				"olga": row.olga, "adam": row.adam, "mia": row.mia, "app": row.app, "max": row.otherwise,
				"eve": string(CodeNotFound),
			} {
				c := as(user)
				c.actor.Backend = user == "app"
				drafts, err := row.command(c).Decide(club().says(row.of).conversation)
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
		direct("a", "b").says("a").
			refused(t, edit(as("b"), "x"), ErrForbidden).
			refused(t, recall(as("b")), ErrForbidden).
			then(t, reacts(as("b"), "+1"), "reaction.added").
			then(t, pins(as("b")), "message.pinned").
			then(t, unpins(as("a")), "message.unpinned").
			then(t, recall(as("a")), "message.recalled")
		direct("a", "b").says("a").then(t, recall(backend), "message.recalled")
	})
	t.Run("who is blocked may only take back", func(t *testing.T) {
		direct("a", "b").says("a").
			then(t, reacts(as("a"), "+1"), "reaction.added").
			then(t, pins(as("a")), "message.pinned").
			with(func(c *Conversation) { c.SetBlocked("a") }).
			refused(t, edit(as("a"), "x"), ErrBlocked).
			refused(t, reacts(as("a"), "-1"), ErrBlocked).
			then(t, unreacts(as("a"), "+1"), "reaction.removed").
			then(t, unpins(as("a")), "message.unpinned").
			refused(t, pins(as("a")), ErrBlocked).
			then(t, pins(as("b")), "message.pinned").
			then(t, recall(as("a")), "message.recalled")
	})
	t.Run("an announcement channel keeps nobody from their own", func(t *testing.T) {
		club().says("mia").with(func(c *Conversation) { c.Settings.Posting = PostingAdmins }).
			then(t, edit(as("mia"), "x"), "message.edited").
			then(t, recall(as("mia")), "message.recalled")
	})
}

func TestWhatIsNoMessage(t *testing.T) {
	for _, cmd := range []Command{
		edit(as("olga"), "x"), recall(as("olga")), reacts(as("olga"), "+1"), unreacts(as("olga"), "+1"), pins(as("olga")), unpins(as("olga")),
	} {
		club().refused(t, cmd, ErrNotFound)
		club().says("olga").then(t, remove(as("adam"), "mia"), "member.removed mia member").refused(t, &recallMessage{messageBase: messageBase{as("mia"), target}}, ErrNotFound)
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
	t.Run("names the message as it stands from then on", func(t *testing.T) {
		require.Equal(t, `{"target_seq":7,"content":{"type":"text","text":"ho"},"mentions":["olga","adam"]}`,
			body(t, club().says("mia", "olga", "adam"), edit(as("mia"), "ho")), "absent mentions stay")
		none := &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: text("ho"), Mentions: []UserID{}}}
		require.Equal(t, `{"target_seq":7,"content":{"type":"text","text":"ho"}}`, body(t, club().says("mia", "olga"), none), "[] drops them")
	})
	t.Run("to the same is no change", func(t *testing.T) {
		same := json.RawMessage(` { "text":"\u0068i" ,"type":"text"}`)
		club().says("mia", "olga").
			then(t, &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: same}}).
			then(t, &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: same, Mentions: []UserID{"olga"}}}).
			then(t, &editMessage{messageBase: messageBase{as("mia"), target}, want: Edit{Content: same, Mentions: []UserID{}}}, "message.edited").
			then(t, edit(as("mia"), "hi")).
			then(t, edit(as("mia"), "ho"), "message.edited").
			then(t, edit(as("mia"), "hi"), "message.edited")
	})
	t.Run("mentions are judged as those of a posting", func(t *testing.T) {
		club().says("mia").
			refused(t, edit(as("mia"), "x", "eve"), ErrInvalid).
			refused(t, edit(as("mia"), "x", Everyone), ErrForbidden).
			then(t, edit(as("mia"), "x", "olga", "olga"), "message.edited")
		club().says("adam").then(t, edit(as("adam"), "x", Everyone), "message.edited")
	})
	t.Run("those that are kept are not", func(t *testing.T) {
		club().says("mia", "gone", Everyone).then(t, edit(as("mia"), "x"), "message.edited")
	})
}

func TestRecalled(t *testing.T) {
	club().says("mia").
		then(t, reacts(as("max"), "+1"), "reaction.added").
		then(t, pins(as("olga")), "message.pinned").
		then(t, recall(as("mia")), "message.recalled").
		then(t, recall(as("mia"))).
		then(t, recall(as("olga"))).
		refused(t, recall(as("max")), ErrForbidden).
		refused(t, edit(as("mia"), "back again"), ErrConflict).
		refused(t, edit(as("olga"), "back again"), ErrForbidden).
		refused(t, reacts(as("mia"), "+1"), ErrConflict).
		then(t, reacts(as("max"), "+1")).
		then(t, unreacts(as("max"), "+1"), "reaction.removed").
		then(t, pins(as("olga"))).
		then(t, unpins(as("olga")), "message.unpinned").
		refused(t, pins(as("olga")), ErrConflict)
}

func TestReact(t *testing.T) {
	club().says("mia").
		then(t, unreacts(as("max"), "+1")).
		then(t, reacts(as("max"), "+1"), "reaction.added").
		then(t, reacts(as("max"), "+1")).
		then(t, reacts(as("max"), "😀"), "reaction.added").
		refused(t, reacts(as("olga"), "👍"), ErrLimitExceeded).
		then(t, reacts(as("olga"), "+1"), "reaction.added").
		then(t, unreacts(as("max"), "+1"), "reaction.removed").
		then(t, unreacts(as("max"), "+1"))
}

func TestPins(t *testing.T) {
	s := club().says("mia").with(func(c *Conversation) { c.Pins = []int64{3} })
	clone := scenario{s.conversation.Clone()}
	before := s.conversation.Version
	s.then(t, pins(as("olga")), "message.pinned")
	require.Equal(t, []int64{3, target}, s.conversation.Pins)
	require.Greater(t, s.conversation.Version, before, "pins are decided on the version")
	require.Equal(t, []int64{3}, clone.conversation.Pins, "copies are kept apart")
	s.then(t, pins(as("adam"))).
		then(t, unpins(as("adam")), "message.unpinned").
		then(t, unpins(as("adam"))).
		with(func(c *Conversation) { c.Pins = []int64{3, 9} }).
		refused(t, pins(as("adam")), ErrLimitExceeded)
}

func TestMessagesLeaveTheVersionAlone(t *testing.T) {
	s := club().says("mia")
	before := s.conversation.Version
	s.then(t, edit(as("mia"), "x"), "message.edited").
		then(t, reacts(as("mia"), "+1"), "reaction.added").
		then(t, unreacts(as("mia"), "+1"), "reaction.removed").
		then(t, recall(as("mia")), "message.recalled")
	require.Equal(t, before, s.conversation.Version)
}

// A clone decides on the messages that it is given, and changes only its own.
func TestConsiderKeepsApart(t *testing.T) {
	base := club()
	m := &MessageState{Seq: target, Sender: "mia", Content: text("hi"), Revision: target}
	clone := scenario{base.conversation.Clone()}
	clone.conversation.LoadMessage(m)
	clone.then(t, reacts(as("mia"), "+1"), "reaction.added").then(t, recall(as("mia")), "message.recalled")
	require.False(t, m.Recalled)
	require.Empty(t, m.Emojis)
	require.Empty(t, m.Reactions)
	base.refused(t, recall(as("mia")), ErrNotFound)
}

func TestMessageCommandsRefuseBadInput(t *testing.T) {
	ctx, mia := context.Background(), Actor{User: "mia"}
	chat, log := newChat()
	only := func(_ []Event, err error) error { return err }
	for name, c := range map[string]struct {
		err     error
		want    *Error
		pointer string
	}{
		"no content":     {only(chat.EditMessage(ctx, mia, groupID, target, Edit{})), ErrInvalid, "/content"},
		"large content":  {only(chat.EditMessage(ctx, mia, groupID, target, Edit{Content: text(strings.Repeat("x", 32_768))})), ErrTooLarge, "/content"},
		"bad content":    {only(chat.EditMessage(ctx, mia, groupID, target, Edit{Content: json.RawMessage(`{"type":"poll"}`)})), ErrInvalid, "/content/type"},
		"bad mention":    {only(chat.EditMessage(ctx, mia, groupID, target, Edit{Content: text("x"), Mentions: []UserID{"a b"}})), ErrInvalid, "/mentions/0"},
		"long reason":    {only(chat.RecallMessage(ctx, mia, groupID, target, strings.Repeat("é", 201))), ErrInvalid, "/reason"},
		"no emoji":       {only(chat.React(ctx, mia, groupID, target, "")), ErrInvalid, "/emoji"},
		"long emoji":     {only(chat.React(ctx, mia, groupID, target, strings.Repeat("x", 65))), ErrInvalid, "/emoji"},
		"NUL":            {only(chat.React(ctx, mia, groupID, target, "\x00")), ErrInvalid, "/emoji"},
		"control":        {only(chat.Unreact(ctx, mia, groupID, target, "a\u0085")), ErrInvalid, "/emoji"},
		"not UTF-8":      {only(chat.Unreact(ctx, mia, groupID, target, "\xff")), ErrInvalid, "/emoji"},
		"good, no such ": {only(chat.React(ctx, mia, groupID, target, strings.Repeat("👩‍🚀", 5))), ErrNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var e *Error
			require.ErrorAs(t, c.err, &e)
			require.Equal(t, c.want.Code, e.Code)
			if c.pointer != "" {
				require.Contains(t, e.Fields, c.pointer)
			}
		})
	}
	require.Equal(t, 1, log.submitted, "nothing else may reach the log")
}
