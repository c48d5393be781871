package users_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func profile(name string) domain.UserProfile {
	return domain.UserProfile{Profile: domain.Profile{Name: &name}}
}

func claims(user domain.UserID, name string, issued time.Time) domain.ProfileClaims {
	c := domain.ProfileClaims{User: user, Name: &name}
	if !issued.IsZero() {
		c.Issued = domain.TimeOf(issued)
	}
	return c
}

// nameOf returns the name that users see; "" if there is no profile.
func nameOf(t *testing.T, n *storetest.Node, user domain.UserID) string {
	t.Helper()
	found, err := n.Users(t.Context(), domain.Actor{User: "backend", Backend: true}, []domain.UserID{user})
	require.NoError(t, err)
	if p, ok := found[user]; ok && p.Name != nil {
		return *p.Name
	}
	return ""
}

func TestProfilesFollowTheNewestSource(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	old, now := time.Now().Add(-time.Hour), time.Now().Add(time.Minute)
	claim := func(c ...domain.ProfileClaims) {
		t.Helper()
		require.NoError(t, n.Claim(t.Context(), c))
	}
	claim(claims("alice", "A", old), claims("bob", "B", time.Time{}))
	require.Equal(t, "A", nameOf(t, n, "alice"))
	require.Equal(t, "B", nameOf(t, n, "bob"))
	claim(claims("alice", "older", old.Add(-time.Second)))
	require.Equal(t, "A", nameOf(t, n, "alice"), "an older token changes nothing")
	claim(claims("alice", "first", old.Add(time.Second)), claims("alice", "A2", old.Add(time.Second)))
	require.Equal(t, "A2", nameOf(t, n, "alice"), "the last of a batch counts")

	for _, user := range []domain.UserID{"alice", "bob"} {
		require.NoError(t, n.PutProfile(t.Context(), user, profile("set")))
	}
	claim(claims("alice", "A3", old.Add(2*time.Second)), claims("bob", "B", time.Time{}))
	require.Equal(t, "set", nameOf(t, n, "alice"), "a token that was issued before the backend's call changes nothing")
	require.Equal(t, "set", nameOf(t, n, "bob"), "nor a token with the claims that were stored last")
	claim(claims("alice", "A4", now), claims("bob", "B2", time.Time{}))
	require.Equal(t, "A4", nameOf(t, n, "alice"))
	require.Equal(t, "B2", nameOf(t, n, "bob"))

	picture := "https://example.org/a.png"
	claim(domain.ProfileClaims{User: "alice", Avatar: &picture, Issued: domain.TimeOf(now.Add(time.Second))})
	found, err := n.Users(t.Context(), storetest.User("alice"), []domain.UserID{"alice"})
	require.NoError(t, err)
	require.Equal(t, "A4", *found["alice"].Name, "a claim that is missing keeps the stored value")
	require.Equal(t, picture, *found["alice"].AvatarURL)
}

func TestUsersOfSharedConversations(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "dave")
	n.Group(t, "eve", "bob")
	for _, u := range []domain.UserID{"alice", "bob", "dave", "eve"} {
		require.NoError(t, n.PutProfile(t.Context(), u, profile("name of "+string(u))))
	}
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "dave")
	require.NoError(t, err)
	asked := []domain.UserID{"alice", "bob", "dave", "eve", "unknown"}
	for who, want := range map[domain.UserID][]domain.UserID{
		"alice": {"alice", "bob"}, "bob": {"alice", "bob", "eve"}, "dave": {"dave"}, "stranger": {},
	} {
		found, err := n.Users(t.Context(), storetest.User(who), asked)
		require.NoError(t, err)
		require.Len(t, found, len(want), "%s sees %v", who, found)
		for _, u := range want {
			require.Equal(t, "name of "+string(u), *found[u].Name)
		}
	}
	all, err := n.Users(t.Context(), domain.Actor{User: "shop", Backend: true}, asked)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.JSONEq(t, `{"name":"name of eve","avatar_url":null,"metadata":null}`, func() string {
		text, err := json.Marshal(all["eve"])
		require.NoError(t, err)
		return string(text)
	}())
}

// A page has the profiles of the users it refers to, if they have one.
func TestPagesHaveProfiles(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol", "dave", "nameless")
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "dave")
	require.NoError(t, err)
	a := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{
		ConversationID: id, ClientMsgID: "m", Content: storetest.Text("hi"), Mentions: []domain.UserID{"carol", "nameless"},
	}))
	require.NoError(t, a.Err)
	direct := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{To: "peer", ClientMsgID: "m", Content: storetest.Text("x")}))
	require.NoError(t, direct.Err)
	for _, u := range []domain.UserID{"alice", "bob", "carol", "dave", "eve", "peer"} {
		require.NoError(t, n.PutProfile(t.Context(), u, profile(string(u))))
	}
	requireUsers := func(users map[domain.UserID]domain.Profile, want ...domain.UserID) {
		t.Helper()
		require.NotNil(t, users)
		require.Len(t, users, len(want), "%v", users)
		for _, u := range want {
			require.Equal(t, string(u), *users[u].Name)
		}
	}
	after := int64(1)
	events, err := n.Events(t.Context(), storetest.User("alice"), id, domain.Range{AfterSeq: &after, Limit: 100})
	require.NoError(t, err)
	requireUsers(events.Users, "alice", "dave", "bob", "carol") // removed by alice: dave
	events, err = n.Events(t.Context(), storetest.User("alice"), id, domain.Range{Limit: 100})
	require.NoError(t, err)
	requireUsers(events.Users, "alice", "bob", "carol", "dave")
	messages, err := n.Messages(t.Context(), storetest.User("alice"), id, domain.Range{Limit: 100})
	require.NoError(t, err)
	requireUsers(messages.Users, "bob", "carol")
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "alice", Limit: 100})
	require.NoError(t, err)
	requireUsers(page.Users, "bob", "carol", "alice", "peer")
	empty, err := n.Sync(t.Context(), domain.SyncQuery{User: "stranger", Limit: 100})
	require.NoError(t, err)
	requireUsers(empty.Users)
}
