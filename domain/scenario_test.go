package domain

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// scenario is a test in the form given, when, then: given a conversation, when a
// command is decided on it, then it returns these events (then) or this error (refused).
type scenario struct {
	conversation *Conversation
}

var groupID = ConversationID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

func text(s string) json.RawMessage {
	quoted, _ := json.Marshal(s)
	return json.RawMessage(`{"type":"text","text":` + string(quoted) + `}`)
}

// group returns a group whose members joined in the given order.
func group(members ...MemberRole) scenario {
	states := map[UserID]MemberState{}
	for i, m := range members {
		states[m.UserID] = MemberState{Role: m.Role, JoinedSeq: int64(i + 1)}
	}
	head := int64(len(members))
	return scenario{NewConversationState(groupID, Group, nil, nil, DefaultSettings(), nil, head, head, states)}
}

func direct(a, b UserID) scenario {
	creation := Creation{Kind: Direct, Members: []UserID{b}}
	n := creation.decide(a, testTime)
	return scenario{n.state()}
}

func (s scenario) with(change func(*Conversation)) scenario {
	change(s.conversation)
	return s
}

func owner(u UserID) MemberRole  { return MemberRole{u, RoleOwner} }
func admin(u UserID) MemberRole  { return MemberRole{u, RoleAdmin} }
func member(u UserID) MemberRole { return MemberRole{u, RoleMember} }

// then asserts that cmd is decided into these events, given as "type" or "type user
// role", and applies them.
func (s scenario) then(t *testing.T, cmd Command, want ...string) scenario {
	t.Helper()
	drafts, err := cmd.Decide(s.conversation)
	require.NoError(t, err)
	var got []string
	for _, d := range drafts {
		line := string(d.Type)
		if d.Member.UserID != "" {
			line += " " + string(d.Member.UserID) + " " + string(d.Member.Role)
		}
		if d.Sanction.UserID != "" {
			line += " " + string(d.Body)
		}
		if d.Type == ConversationUpdated {
			line += " " + string(d.Body)
		}
		got = append(got, line)
		require.True(t, json.Valid(d.Body), "body %s", d.Body)
		s.conversation.Apply(d, s.conversation.Head+1)
	}
	require.Empty(t, cmp.Diff(want, got))
	return s
}

// refused asserts that cmd is refused with an error.
func (s scenario) refused(t *testing.T, cmd Command, want error) scenario {
	t.Helper()
	drafts, err := cmd.Decide(s.conversation)
	require.Empty(t, drafts)
	require.Truef(t, errors.Is(err, want), "got %v, want %v", err, want)
	return s
}

func as(u UserID) commandBase { return commandBase{actor: Actor{User: u}, target: groupID} }

var backend = commandBase{actor: Actor{User: "app", Backend: true}, target: groupID}

func add(c commandBase, role Role, users ...UserID) Command {
	return &addMembers{commandBase: c, users: users, as: role, limit: 10}
}

func put(c commandBase, user UserID, role Role) Command {
	return &putMember{commandBase: c, user: user, as: role, limit: 10}
}

func remove(c commandBase, user UserID) Command { return &removeMember{commandBase: c, user: user} }

func post(c commandBase, mentions ...UserID) Command {
	return newPostMessage(c.actor, Post{
		ConversationID: groupID, ClientMsgID: "c-1", Content: json.RawMessage(`{"type":"text","text":"hi"}`), Mentions: mentions,
	}, attachmentRef{})
}

func TestPost(t *testing.T) {
	g := func() scenario { return group(owner("olga"), admin("adam"), member("mia")) }
	adminsOnly := func(c *Conversation) { c.Settings.Posting = PostingAdmins }

	t.Run("a member posts", func(t *testing.T) { g().then(t, post(as("mia")), "message.posted") })
	t.Run("a user who is no member learns nothing", func(t *testing.T) { g().refused(t, post(as("eve")), ErrNotFound) })
	t.Run("a backend needs no membership", func(t *testing.T) { g().then(t, post(backend), "message.posted") })
	t.Run("an announcement channel", func(t *testing.T) {
		g().with(adminsOnly).
			refused(t, post(as("mia")), ErrForbidden).
			refused(t, post(as("eve")), ErrNotFound).
			then(t, post(as("adam")), "message.posted").
			then(t, post(as("olga")), "message.posted").
			then(t, post(backend), "message.posted")
	})
	t.Run("mentions name members", func(t *testing.T) {
		g().then(t, post(as("mia"), "olga", "mia"), "message.posted").
			refused(t, post(as("mia"), "eve"), ErrInvalid)
	})
	t.Run("the owner and admins mention everyone", func(t *testing.T) {
		g().refused(t, post(as("mia"), Everyone), ErrForbidden).
			then(t, post(as("adam"), Everyone), "message.posted")
		direct("a", "b").refused(t, post(as("a"), Everyone), ErrInvalid)
	})
	t.Run("messages keep the version", func(t *testing.T) {
		s := g()
		before := s.conversation.Version
		s.then(t, post(as("mia")), "message.posted")
		require.Equal(t, before, s.conversation.Version)
		require.Equal(t, before+1, s.conversation.Head)
	})
}

func TestAddMembers(t *testing.T) {
	g := func() scenario { return group(owner("olga"), admin("adam"), member("mia")) }

	t.Run("each new user once", func(t *testing.T) {
		g().then(t, add(as("adam"), RoleMember, "mia", "nina", "nina", "otto"),
			"member.added nina member", "member.added otto member").
			then(t, add(as("adam"), RoleMember, "nina"))
	})
	t.Run("members are refused", func(t *testing.T) {
		g().refused(t, add(as("mia"), RoleMember, "nina"), ErrForbidden).
			refused(t, add(as("eve"), RoleMember, "eve"), ErrNotFound)
	})
	t.Run("only the owner makes admins", func(t *testing.T) {
		g().refused(t, add(as("adam"), RoleAdmin, "nina"), ErrForbidden).
			then(t, add(as("olga"), RoleAdmin, "nina"), "member.added nina admin").
			then(t, add(backend, RoleAdmin, "otto"), "member.added otto admin")
	})
	t.Run("all or none at the limit", func(t *testing.T) {
		s := g()
		for len(s.conversation.members) < 9 {
			s.conversation.members[UserID(rune('0'+len(s.conversation.members)))] = MemberState{Role: RoleMember}
		}
		s.refused(t, add(as("olga"), RoleMember, "x", "y"), ErrLimitExceeded).
			then(t, add(as("olga"), RoleMember, "x"), "member.added x member").
			refused(t, put(as("olga"), "y", RoleMember), ErrLimitExceeded)
	})
}

func TestPutMember(t *testing.T) {
	g := func() scenario { return group(owner("olga"), admin("adam"), member("mia")) }

	t.Run("adds, changes or does nothing", func(t *testing.T) {
		g().then(t, put(as("adam"), "nina", RoleMember), "member.added nina member").
			then(t, put(as("adam"), "nina", RoleMember)).
			then(t, put(as("olga"), "nina", RoleAdmin), "member.role_changed nina admin").
			then(t, put(as("olga"), "nina", RoleMember), "member.role_changed nina member")
	})
	t.Run("only the owner changes roles", func(t *testing.T) {
		g().refused(t, put(as("adam"), "mia", RoleAdmin), ErrForbidden).
			refused(t, put(as("adam"), "adam", RoleMember), ErrForbidden).
			refused(t, put(as("mia"), "mia", RoleOwner), ErrForbidden).
			refused(t, put(as("adam"), "nina", RoleAdmin), ErrForbidden)
	})
	t.Run("handing over the ownership makes the owner an admin", func(t *testing.T) {
		g().then(t, put(as("olga"), "mia", RoleOwner),
			"member.role_changed mia owner", "member.role_changed olga admin").
			refused(t, put(as("olga"), "adam", RoleMember), ErrForbidden)
	})
	t.Run("there is always an owner", func(t *testing.T) {
		g().refused(t, put(as("olga"), "olga", RoleAdmin), ErrConflict).
			refused(t, put(as("olga"), "nina", RoleOwner), ErrInvalid)
	})
	t.Run("the first member of an empty group is the owner", func(t *testing.T) {
		group().then(t, add(backend, RoleMember, "nina", "otto"), "member.added nina owner", "member.added otto member")
		group().then(t, put(backend, "nina", RoleMember), "member.added nina owner")
		group().then(t, put(backend, "nina", RoleOwner), "member.added nina owner")
		group().refused(t, add(as("olga"), RoleMember, "olga"), ErrNotFound)
	})
}

func TestRemoveMember(t *testing.T) {
	g := func() scenario { return group(owner("olga"), member("mia"), admin("adam"), admin("ada")) }

	t.Run("by rank", func(t *testing.T) {
		g().refused(t, remove(as("mia"), "adam"), ErrForbidden).
			refused(t, remove(as("adam"), "olga"), ErrForbidden).
			refused(t, remove(as("adam"), "ada"), ErrForbidden).
			then(t, remove(as("adam"), "mia"), "member.removed mia member").
			then(t, remove(as("olga"), "ada"), "member.removed ada admin").
			then(t, remove(as("olga"), "ada"))
	})
	t.Run("every member may leave", func(t *testing.T) {
		g().then(t, remove(as("mia"), "mia"), "member.removed mia member").
			refused(t, remove(as("mia"), "mia"), ErrNotFound).
			then(t, remove(as("adam"), "adam"), "member.removed adam admin")
	})
	t.Run("the admin of longest standing succeeds the owner, else the member", func(t *testing.T) {
		g().then(t, remove(as("olga"), "olga"),
			"member.removed olga owner", "member.role_changed adam owner").
			then(t, remove(as("adam"), "adam"),
				"member.removed adam owner", "member.role_changed ada owner").
			then(t, remove(as("ada"), "ada"), "member.removed ada owner", "member.role_changed mia owner").
			then(t, remove(as("mia"), "mia"), "member.removed mia owner")
	})
	t.Run("a backend may remove the owner", func(t *testing.T) {
		g().then(t, remove(backend, "olga"), "member.removed olga owner", "member.role_changed adam owner")
	})
}

func TestUpdate(t *testing.T) {
	g := func() scenario { return group(owner("olga"), admin("adam"), member("mia")) }
	title := func(c commandBase, s *string) Command {
		return &updateConversation{commandBase: c, want: Changes{Title: Field[string]{Set: true, Value: s}}}
	}
	name := "Club"

	t.Run("the event has only what changed", func(t *testing.T) {
		g().then(t, title(as("adam"), &name), `conversation.updated {"title":"Club"}`).
			then(t, title(as("adam"), &name)).
			then(t, title(as("olga"), nil), `conversation.updated {"title":null}`)
	})
	t.Run("members are refused", func(t *testing.T) {
		g().refused(t, title(as("mia"), &name), ErrForbidden).refused(t, title(as("eve"), &name), ErrNotFound)
	})
	t.Run("settings key by key", func(t *testing.T) {
		posting := PostingAdmins
		want := Changes{Settings: &SettingsPatch{Posting: &posting}}
		s := g().then(t, &updateConversation{commandBase: as("olga"), want: want},
			`conversation.updated {"settings":{"posting":"admins","joining":"invite","history":"all","receipts":true}}`)
		s.refused(t, post(as("mia")), ErrForbidden)
	})
	t.Run("equal metadata is no change", func(t *testing.T) {
		meta := func(s string) Command {
			raw := json.RawMessage(s)
			return &updateConversation{commandBase: as("olga"), want: Changes{Metadata: Field[json.RawMessage]{Set: true, Value: &raw}}}
		}
		g().then(t, meta(`{"a":1,"b":"x"}`), `conversation.updated {"metadata":{"a":1,"b":"x"}}`).
			then(t, meta(`{ "b":"\u0078", "a":1.0 }`))
	})
}

func TestDirectConversationsNeverChange(t *testing.T) {
	name := "x"
	for _, cmd := range []Command{
		add(as("a"), RoleMember, "c"), put(as("a"), "b", RoleAdmin), remove(as("a"), "a"), remove(as("a"), "b"),
		&updateConversation{commandBase: as("a"), want: Changes{Title: Field[string]{Set: true, Value: &name}}},
		add(backend, RoleMember, "c"),
	} {
		direct("a", "b").refused(t, cmd, ErrForbidden)
	}
	direct("a", "b").refused(t, remove(as("c"), "c"), ErrNotFound)
	direct("a", "b").then(t, post(as("b"), "a"), "message.posted").refused(t, post(as("c")), ErrNotFound)
}

func TestClonesDoNotShareMembers(t *testing.T) {
	s := group(owner("olga"), member("mia"))
	clone := s.conversation.Clone()
	scenario{clone}.then(t, remove(as("mia"), "mia"), "member.removed mia member")
	_, in := s.conversation.Member("mia")
	require.True(t, in)
	require.Equal(t, []UserID{"mia", "olga"}, s.conversation.Audience())
	require.Equal(t, []UserID{"olga"}, clone.Audience())
}
