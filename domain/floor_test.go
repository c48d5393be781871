package domain

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func sinceJoin(c *Conversation) { c.Settings.History = HistorySinceJoin }

func open(c *Conversation) { c.Settings.Joining = JoiningOpen }

// The message has seq 7; the member late has joined with seq 8.
func TestCommandsBelowTheFloor(t *testing.T) {
	late := func(role Role) func(*Conversation) {
		return func(c *Conversation) { c.setMember("late", MemberState{Role: role, JoinedSeq: target + 1}) }
	}
	reply := func(c commandBase, to int64) Command {
		return newPostMessage(c.actor, Post{
			ConversationID: groupID, ClientMsgID: "c-1", Content: json.RawMessage(`{"type":"text","text":"hi"}`), ReplyTo: &to,
		}, attachmentRef{})
	}
	commands := map[string]func(commandBase) Command{
		"edit": func(c commandBase) Command { return edit(c, "ho") }, "recall": recall, "pin": addPin, "unpin": removePin,
		"react":   func(c commandBase) Command { return addReaction(c, "+1") },
		"unreact": func(c commandBase) Command { return removeReaction(c, "+1") },
	}
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			for _, role := range []Role{RoleMember, RoleAdmin} {
				groupOfFour().with(sinceJoin).with(late(role)).withMessageOf("late").refused(t, command(as("late")), ErrNotFound)
				_, err := command(as("late")).Decide(groupOfFour().with(late(role)).withMessageOf("late").conversation)
				require.NotErrorIs(t, err, ErrNotFound, "without since_join, all messages can be read")
			}
			_, err := command(as("olga")).Decide(groupOfFour().with(sinceJoin).withMessageOf("olga").conversation)
			require.NoError(t, err, "members from before keep reading")
			c := as("late")
			c.actor.Backend = true
			_, err = command(c).Decide(groupOfFour().with(sinceJoin).with(late(RoleMember)).withMessageOf("late").conversation)
			require.NoError(t, err, "a backend has no floor, even if a member has the same id")
		})
	}
	t.Run("a reply", func(t *testing.T) {
		groupOfFour().with(sinceJoin).with(late(RoleMember)).
			refused(t, reply(as("late"), target), ErrInvalid).
			then(t, reply(as("late"), target+1), "message.posted").
			then(t, reply(as("olga"), target), "message.posted").
			then(t, reply(backend, target), "message.posted")
		groupOfFour().with(late(RoleMember)).then(t, reply(as("late"), target), "message.posted")
	})
	t.Run("the floor is that of the latest joining", func(t *testing.T) {
		s := groupOfFour().with(sinceJoin).withMessageOf("mia").then(t, addReaction(as("max"), "+1"), "reaction.added")
		s.conversation.Head = target
		s.then(t, remove(as("max"), "max"), "member.removed max member").
			then(t, add(as("olga"), RoleMember, "max"), "member.added max member").
			refused(t, removeReaction(as("max"), "+1"), ErrNotFound)
	})
}

func TestOpenGroup(t *testing.T) {
	join := func(user UserID) Command { return put(as(user), user, RoleMember) }
	g := func() scenario { return group(owner("olga"), admin("adam"), member("mia")).with(open) }

	t.Run("users join as members", func(t *testing.T) {
		g().then(t, join("eve"), "member.added eve member").
			then(t, join("eve")).
			refused(t, put(as("eve"), "eve", RoleAdmin), ErrForbidden).
			refused(t, put(as("eve"), "nina", RoleMember), ErrForbidden)
	})
	t.Run("in no other role, and only themselves", func(t *testing.T) {
		g().refused(t, put(as("eve"), "eve", RoleAdmin), ErrForbidden).
			refused(t, put(as("eve"), "eve", RoleOwner), ErrForbidden).
			refused(t, put(as("eve"), "nina", RoleMember), ErrNotFound).
			refused(t, put(as("eve"), "mia", RoleMember), ErrNotFound).
			refused(t, add(as("eve"), RoleMember, "eve"), ErrNotFound).
			refused(t, remove(as("eve"), "eve"), ErrNotFound).
			refused(t, post(as("eve")), ErrNotFound)
	})
	t.Run("not by invitation only, and not in direct conversations", func(t *testing.T) {
		group(owner("olga")).refused(t, join("eve"), ErrNotFound)
		direct("a", "b").with(open).refused(t, join("eve"), ErrNotFound)
	})
	t.Run("a removed user joins again", func(t *testing.T) {
		g().then(t, remove(as("olga"), "mia"), "member.removed mia member").
			then(t, join("mia"), "member.added mia member")
	})
	t.Run("up to the limit", func(t *testing.T) {
		s := g()
		cmd := &putMember{commandBase: as("eve"), user: "eve", as: RoleMember, limit: 3}
		s.refused(t, cmd, ErrLimitExceeded)
		cmd.limit = 4
		s.then(t, cmd, "member.added eve member")
	})
	t.Run("where only backends add members", func(t *testing.T) {
		cmd := func(c commandBase) Command {
			return &putMember{commandBase: c, user: "eve", as: RoleMember, limit: 10, backendOnly: true}
		}
		g().refused(t, cmd(as("eve")), ErrForbidden)
		c := as("eve")
		c.actor.OnBehalf = true
		g().then(t, cmd(c), "member.added eve member")
	})
	t.Run("the first to join an empty group is the owner", func(t *testing.T) {
		group(owner("olga")).with(open).
			then(t, remove(as("olga"), "olga"), "member.removed olga owner").
			then(t, join("eve"), "member.added eve owner")
	})
}

func TestRedactBelow(t *testing.T) {
	edit := func(target int64) Event {
		body := EditedBody{TargetSeq: target, Content: text("x"), Mentions: []UserID{"mia"}}
		return Event{Type: MessageEdited, Body: body.appendJSON(nil)}
	}
	events := []Event{edit(4), edit(5), {Type: MessageRecalled, Body: json.RawMessage(`{"target_seq":4,"reason":"x"}`)}, {Type: MessageEdited, Body: json.RawMessage(`"?"`)}}
	RedactBelow(1, events)
	require.Contains(t, string(events[0].Body), "content", "nothing is redacted at floor 1")
	before := events[0].Body
	RedactBelow(5, events)
	require.Equal(t, `{"target_seq":4}`, string(events[0].Body))
	require.Contains(t, string(before), "content", "the body may be shared, so it is not written to")
	require.Equal(t, string(edit(5).Body), string(events[1].Body))
	require.Equal(t, `{"target_seq":4,"reason":"x"}`, string(events[2].Body))
	require.Equal(t, `{"target_seq":1}`, string(events[3].Body), "an unreadable body is redacted")
}
