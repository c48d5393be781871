package domain

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func ban(c commandBase, user UserID, want Sanction) Command { return &moderate{c, Ban, user, want, 2} }

func mute(c commandBase, user UserID, want Sanction) Command {
	return &moderate{c, Mute, user, want, 2}
}

func unban(c commandBase, user UserID) Command { return &lift{c, Ban, user} }

func unmute(c commandBase, user UserID) Command { return &lift{c, Mute, user} }

// until returns a sanction that ends some time after testTime.
func until(after time.Duration) Sanction { return Sanction{Until: new(TimeOf(testTime.Add(after)))} }

// clockAt sets the clock of the decisions to some time after testTime.
func (s scenario) clockAt(after time.Duration) scenario {
	s.conversation.LoadClock(testTime.Add(after))
	return s
}

// delayed asserts that cmd is refused with an error that names a delay.
func (s scenario) delayed(t *testing.T, cmd Command, want error, delay time.Duration) scenario {
	t.Helper()
	s.refused(t, cmd, want)
	_, err := cmd.Decide(s.conversation)
	var refused *Error
	require.True(t, errors.As(err, &refused))
	require.InDelta(t, delay, refused.After, float64(time.Microsecond))
	return s
}

func TestBan(t *testing.T) {
	g := func() scenario {
		return group(owner("olga"), admin("adam"), admin("ada"), member("mia")).clockAt(0)
	}
	open := func(c *Conversation) { c.Settings.Joining = JoiningOpen }

	t.Run("by the rule of removing", func(t *testing.T) {
		g().refused(t, ban(as("mia"), "adam", Sanction{}), ErrForbidden).
			refused(t, ban(as("mia"), "eve", Sanction{}), ErrForbidden).
			refused(t, ban(as("eve"), "mia", Sanction{}), ErrNotFound).
			refused(t, ban(as("adam"), "ada", Sanction{}), ErrForbidden).
			refused(t, ban(as("adam"), "adam", Sanction{}), ErrForbidden).
			refused(t, ban(as("adam"), "olga", Sanction{}), ErrForbidden).
			refused(t, ban(as("olga"), "olga", Sanction{}), ErrForbidden).
			refused(t, ban(backend, "olga", Sanction{}), ErrForbidden).
			then(t, ban(as("adam"), "mia", Sanction{Reason: "spam"}),
				"member.removed mia member", `member.banned {"user_id":"mia","reason":"spam"}`).
			then(t, ban(backend, "ada", until(time.Hour)),
				"member.removed ada admin", `member.banned {"user_id":"ada","until":"2026-01-02T04:04:05.678901Z"}`)
	})
	t.Run("a banned user cannot join or be added", func(t *testing.T) {
		g().with(open).then(t, ban(as("adam"), "mia", Sanction{}), "member.removed mia member", `member.banned {"user_id":"mia"}`).
			refused(t, put(as("mia"), "mia", RoleMember), ErrForbidden).
			refused(t, put(as("olga"), "mia", RoleMember), ErrForbidden).
			refused(t, add(as("olga"), RoleMember, "nina", "mia"), ErrForbidden).
			refused(t, add(backend, RoleMember, "mia"), ErrForbidden).
			then(t, unban(as("ada"), "mia"), `member.unbanned {"user_id":"mia"}`).
			then(t, put(as("mia"), "mia", RoleMember), "member.added mia member")
	})
	t.Run("ahead", func(t *testing.T) {
		g().with(open).then(t, ban(as("adam"), "eve", Sanction{}), `member.banned {"user_id":"eve"}`).
			refused(t, put(as("eve"), "eve", RoleMember), ErrForbidden)
	})
	t.Run("the refusal names the users", func(t *testing.T) {
		s := g().then(t, ban(as("adam"), "eve", Sanction{}), `member.banned {"user_id":"eve"}`)
		_, err := add(as("olga"), RoleMember, "nina", "eve").Decide(s.conversation)
		var refused *Error
		require.True(t, errors.As(err, &refused))
		require.Contains(t, refused.Fields, "/user_ids/1")
	})
	t.Run("until its end", func(t *testing.T) {
		g().with(open).then(t, ban(as("adam"), "eve", until(time.Minute)), `member.banned {"user_id":"eve","until":"2026-01-02T03:05:05.678901Z"}`).
			clockAt(20*time.Second).delayed(t, put(as("eve"), "eve", RoleMember), ErrForbidden, 40*time.Second).
			clockAt(time.Minute).then(t, put(as("eve"), "eve", RoleMember), "member.added eve member").
			then(t, ban(as("adam"), "eve", until(2*time.Minute)), "member.removed eve member",
				`member.banned {"user_id":"eve","until":"2026-01-02T03:06:05.678901Z"}`)
	})
	t.Run("an end in the past", func(t *testing.T) {
		g().refused(t, ban(as("adam"), "eve", until(0)), ErrInvalid).refused(t, mute(as("adam"), "mia", until(-1)), ErrInvalid)
	})
	t.Run("again", func(t *testing.T) {
		g().then(t, ban(as("adam"), "eve", Sanction{Reason: "spam"}), `member.banned {"user_id":"eve","reason":"spam"}`).
			then(t, ban(as("ada"), "eve", Sanction{Reason: "spam"})).
			then(t, ban(as("ada"), "eve", Sanction{}), `member.banned {"user_id":"eve"}`).
			then(t, ban(as("ada"), "eve", until(time.Hour)), `member.banned {"user_id":"eve","until":"2026-01-02T04:04:05.678901Z"}`).
			then(t, ban(as("ada"), "eve", until(time.Hour))).
			then(t, unban(as("adam"), "eve"), `member.unbanned {"user_id":"eve"}`).
			then(t, unban(as("adam"), "eve"))
	})
	t.Run("a full list makes room by lifting the ban that ended first", func(t *testing.T) {
		g().then(t, ban(as("adam"), "a", until(time.Minute)), `member.banned {"user_id":"a","until":"2026-01-02T03:05:05.678901Z"}`).
			then(t, ban(as("adam"), "b", until(time.Second)), `member.banned {"user_id":"b","until":"2026-01-02T03:04:06.678901Z"}`).
			refused(t, ban(as("adam"), "mia", Sanction{}), ErrLimitExceeded).
			then(t, ban(as("adam"), "a", until(time.Hour)), `member.banned {"user_id":"a","until":"2026-01-02T04:04:05.678901Z"}`).
			clockAt(2*time.Hour).
			then(t, ban(as("adam"), "mia", Sanction{}), `member.unbanned {"user_id":"b"}`, "member.removed mia member", `member.banned {"user_id":"mia"}`).
			then(t, ban(as("adam"), "c", Sanction{}), `member.unbanned {"user_id":"a"}`, `member.banned {"user_id":"c"}`).
			refused(t, ban(as("adam"), "d", Sanction{}), ErrLimitExceeded)
	})
	t.Run("direct conversations have none", func(t *testing.T) {
		direct("a", "b").refused(t, ban(as("a"), "b", Sanction{}), ErrForbidden).refused(t, mute(as("a"), "b", Sanction{}), ErrForbidden).
			refused(t, unban(as("a"), "b"), ErrForbidden).refused(t, ban(as("c"), "b", Sanction{}), ErrNotFound)
	})
	t.Run("clones do not share the lists", func(t *testing.T) {
		s := g().then(t, ban(as("adam"), "a", Sanction{}), `member.banned {"user_id":"a"}`)
		scenario{s.conversation.Clone()}.then(t, unban(as("adam"), "a"), `member.unbanned {"user_id":"a"}`).
			then(t, mute(as("adam"), "mia", Sanction{}), `member.muted {"user_id":"mia"}`)
		s.then(t, ban(as("adam"), "a", Sanction{})).then(t, post(as("mia")), "message.posted")
	})
}

func TestMute(t *testing.T) {
	g := func() scenario {
		return group(owner("olga"), admin("adam"), admin("ada"), member("mia")).clockAt(0).with(func(c *Conversation) {
			c.Head = 10
			for seq, sender := range map[int64]UserID{5: "mia", 6: "adam"} {
				c.LoadMessage(&MessageState{Seq: seq, Sender: sender, Content: text("hi"), Revision: seq, Reactions: map[Reactor]bool{{"mia", "x"}: true}})
			}
		})
	}
	on := func(c commandBase, seq int64) messageBase { return messageBase{c, seq} }
	edit := func(c commandBase) Command {
		return &editMessage{messageBase: on(c, 5), want: Edit{Content: text("new")}}
	}
	reaction := func(c commandBase, emoji string, remove bool) Command { return &react{on(c, 6), emoji, 10, remove} }

	t.Run("by the rule of removing", func(t *testing.T) {
		g().refused(t, mute(as("mia"), "adam", Sanction{}), ErrForbidden).
			refused(t, mute(as("adam"), "ada", Sanction{}), ErrForbidden).
			refused(t, mute(as("adam"), "olga", Sanction{}), ErrForbidden).
			refused(t, mute(backend, "olga", Sanction{}), ErrForbidden).
			then(t, mute(as("olga"), "ada", Sanction{}), `member.muted {"user_id":"ada"}`).
			refused(t, unmute(as("ada"), "ada"), ErrForbidden).
			refused(t, unmute(as("adam"), "ada"), ErrForbidden).
			then(t, unmute(backend, "ada"), `member.unmuted {"user_id":"ada"}`).
			then(t, unmute(backend, "ada"))
	})
	t.Run("no posts, edits and reactions", func(t *testing.T) {
		g().then(t, mute(as("adam"), "mia", until(time.Minute)), `member.muted {"user_id":"mia","until":"2026-01-02T03:05:05.678901Z"}`).
			delayed(t, post(as("mia")), ErrForbidden, time.Minute).
			delayed(t, edit(as("mia")), ErrForbidden, time.Minute).
			delayed(t, reaction(as("mia"), "y", false), ErrForbidden, time.Minute).
			then(t, reaction(as("mia"), "x", true), "reaction.removed").
			then(t, &recallMessage{on(as("mia"), 5), ""}, "message.recalled").
			clockAt(time.Minute).then(t, post(as("mia")), "message.posted").
			then(t, reaction(as("mia"), "y", false), "reaction.added")
	})
	t.Run("without an end, until it is lifted, whatever the user does", func(t *testing.T) {
		g().then(t, mute(as("adam"), "mia", Sanction{}), `member.muted {"user_id":"mia"}`).
			delayed(t, post(as("mia")), ErrForbidden, 0).
			then(t, remove(as("mia"), "mia"), "member.removed mia member").
			then(t, add(as("adam"), RoleMember, "mia"), "member.added mia member").
			refused(t, post(as("mia")), ErrForbidden).
			then(t, unmute(as("ada"), "mia"), `member.unmuted {"user_id":"mia"}`).
			then(t, post(as("mia")), "message.posted")
	})
	t.Run("an owner is never muted", func(t *testing.T) {
		g().then(t, mute(as("olga"), "ada", Sanction{}), `member.muted {"user_id":"ada"}`).
			then(t, put(as("olga"), "ada", RoleOwner), "member.role_changed ada owner", "member.role_changed olga admin").
			then(t, post(as("ada")), "message.posted")
	})
	t.Run("a muted admin still moderates", func(t *testing.T) {
		g().then(t, mute(as("olga"), "ada", Sanction{}), `member.muted {"user_id":"ada"}`).
			then(t, &pin{on(as("ada"), 6), 10, false}, "message.pinned").
			then(t, mute(as("ada"), "mia", Sanction{}), `member.muted {"user_id":"mia"}`)
	})
}

func TestFrozen(t *testing.T) {
	frozen := PostingNobody
	freeze := func(c commandBase, posting string) Command {
		return &updateConversation{commandBase: c, want: Changes{Settings: &SettingsPatch{Posting: &posting}}}
	}
	group(owner("olga"), admin("adam"), member("mia")).with(func(c *Conversation) {
		c.LoadMessage(&MessageState{Seq: 1, Sender: "olga", Content: text("hi"), Revision: 1})
	}).
		then(t, freeze(as("adam"), frozen), `conversation.updated {"settings":{"posting":"nobody","joining":"invite","history":"all","receipts":true}}`).
		refused(t, post(as("mia")), ErrForbidden).refused(t, post(as("olga")), ErrForbidden).refused(t, post(backend), ErrForbidden).
		refused(t, &editMessage{messageBase: messageBase{as("olga"), 1}, want: Edit{Content: text("new")}}, ErrForbidden).
		refused(t, &react{messageBase{as("mia"), 1}, "x", 10, false}, ErrForbidden).
		then(t, &pin{messageBase{as("olga"), 1}, 10, false}, "message.pinned").
		refused(t, freeze(as("mia"), PostingEveryone), ErrForbidden).
		then(t, freeze(as("olga"), PostingEveryone), `conversation.updated {"settings":{"posting":"everyone","joining":"invite","history":"all","receipts":true}}`).
		then(t, post(as("mia")), "message.posted")
}

func TestSlowMode(t *testing.T) {
	g := func() scenario {
		return group(owner("olga"), admin("adam"), member("mia"), member("bob")).clockAt(0).with(func(c *Conversation) { c.Settings.SlowModeS = 60 })
	}
	last := func(user UserID, seq int64, after time.Duration) func(*Conversation) {
		return func(c *Conversation) { c.LoadLastPost(user, LastPost{Seq: seq, At: TimeOf(testTime.Add(after))}) }
	}
	t.Run("messages of a member are apart", func(t *testing.T) {
		g().with(last("mia", 0, 0)).with(last("bob", 0, 0)).
			then(t, post(as("mia")), "message.posted").
			delayed(t, post(as("mia")), ErrRateLimited, time.Minute).
			then(t, post(as("bob")), "message.posted").
			clockAt(59*time.Second).delayed(t, post(as("mia")), ErrRateLimited, time.Second).
			clockAt(time.Minute).then(t, post(as("mia")), "message.posted")
	})
	t.Run("from before it was switched on, too", func(t *testing.T) {
		g().with(last("mia", 2, -40*time.Second)).delayed(t, post(as("mia")), ErrRateLimited, 20*time.Second)
	})
	t.Run("the owner, admins and backends are exempt", func(t *testing.T) {
		g().then(t, post(as("olga")), "message.posted").then(t, post(as("olga")), "message.posted").
			then(t, post(as("adam")), "message.posted").then(t, post(as("adam")), "message.posted").
			then(t, post(backend), "message.posted").then(t, post(backend), "message.posted")
	})
	t.Run("other refusals come first", func(t *testing.T) {
		g().with(last("mia", 2, 0)).refused(t, post(as("mia"), "eve"), ErrInvalid)
	})
}

// What a decision misses is named, and nothing else is needed once it is loaded.
func TestMissing(t *testing.T) {
	s := group(owner("olga"), member("mia")).with(func(c *Conversation) { c.Settings.SlowModeS = 60 })
	s.then(t, post(as("olga")), "message.posted")
	clock, posters := s.conversation.Missing()
	require.False(t, clock)
	require.Empty(t, posters)
	_, err := post(as("mia")).Decide(s.conversation)
	require.Error(t, err)
	clock, posters = s.conversation.Missing()
	require.True(t, clock)
	require.Equal(t, []UserID{"mia"}, posters)
	loaded := s.conversation.Clone()
	loaded.LoadClock(testTime)
	loaded.LoadLastPost("mia", LastPost{})
	scenario{loaded}.then(t, post(as("mia")), "message.posted")
	clock, posters = loaded.Missing()
	require.False(t, clock)
	require.Empty(t, posters)
}
