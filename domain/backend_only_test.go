package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/domain/domaintest"
)

func TestBackendOnlyCreatesConversations(t *testing.T) {
	alice := domain.Actor{User: "alice"}
	direct := func(with domain.UserID) domain.Creation {
		return domain.Creation{Kind: domain.Direct, Members: []domain.UserID{with}}
	}
	for name, c := range map[string]struct {
		actor domain.Actor
		want  error
	}{
		"a user":              {alice, domain.ErrForbidden},
		"a backend":           {domain.Actor{User: "shop", Backend: true}, nil},
		"a backend on behalf": {domain.Actor{User: "alice", OnBehalf: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			chat := domain.NewChat(domaintest.NewLog(), domain.DefaultLimits()).BackendOnly()
			_, _, err := chat.Create(t.Context(), c.actor, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob"}})
			require.ErrorIs(t, err, c.want, "a group")
			_, _, err = chat.Create(t.Context(), c.actor, direct("carol"))
			require.ErrorIs(t, err, c.want, "a direct conversation")
			_, err = send(chat, c.actor, domain.Post{To: "dave", ClientMsgID: "c", Content: text("x")})
			require.ErrorIs(t, err, c.want, "a first message")
		})
	}
	t.Run("users find and use existing conversations", func(t *testing.T) {
		open := domain.NewChat(domaintest.NewLog(), domain.DefaultLimits())
		existing, _, err := open.Create(t.Context(), alice, direct("bob"))
		require.NoError(t, err)
		chat := open.BackendOnly()
		id, created, err := chat.Create(t.Context(), alice, direct("bob"))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, existing, id)
		sent, err := send(chat, alice, domain.Post{To: "bob", ClientMsgID: "c", Content: text("x")})
		require.NoError(t, err)
		require.Equal(t, existing, sent.Event.ConversationID)
	})
}

func TestBackendOnlyAddsMembers(t *testing.T) {
	alice := domain.Actor{User: "alice"}
	newGroup := func(t *testing.T) (*domain.Chat, domain.ConversationID) {
		t.Helper()
		open := domain.NewChat(domaintest.NewLog(), domain.DefaultLimits())
		id, _, err := open.Create(t.Context(), alice, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob"}})
		require.NoError(t, err)
		return open.BackendOnly(), id
	}
	for name, c := range map[string]struct {
		actor domain.Actor
		want  error
	}{
		"an owner":            {alice, domain.ErrForbidden},
		"no member":           {domain.Actor{User: "eve"}, domain.ErrNotFound},
		"a backend":           {domain.Actor{User: "shop", Backend: true}, nil},
		"a backend on behalf": {domain.Actor{User: "alice", OnBehalf: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			chat, id := newGroup(t)
			added, err := chat.AddMembers(t.Context(), c.actor, id, []domain.UserID{"carol"}, domain.RoleMember)
			require.ErrorIs(t, err, c.want)
			put, err := chat.PutMember(t.Context(), c.actor, id, "dave", domain.RoleMember)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				require.Len(t, added, 1)
				require.Len(t, put, 1)
			}
		})
	}
	t.Run("the owner still changes roles", func(t *testing.T) {
		chat, id := newGroup(t)
		changed, err := chat.PutMember(t.Context(), alice, id, "bob", domain.RoleAdmin)
		require.NoError(t, err)
		require.Len(t, changed, 1)
	})
}
