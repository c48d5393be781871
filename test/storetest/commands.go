package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func (n *Node) Edit(who domain.UserID, id domain.ConversationID, seq int64, words string, mentions ...domain.UserID) ([]domain.Event, error) {
	return n.Chat.EditMessage(context.Background(), User(who), id, seq, domain.Edit{Content: Text(words), Mentions: mentions})
}

func (n *Node) Recall(who domain.UserID, id domain.ConversationID, seq int64) ([]domain.Event, error) {
	return n.Chat.RecallMessage(context.Background(), User(who), id, seq, "")
}

func Made(t testing.TB, what domain.EventType) func([]domain.Event, error) domain.Event {
	return func(events []domain.Event, err error) domain.Event {
		t.Helper()
		require.NoError(t, err)
		require.Len(t, events, 1)
		require.Equal(t, what, events[0].Type)
		return events[0]
	}
}

func Nothing(t testing.TB) func([]domain.Event, error) {
	return func(events []domain.Event, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Empty(t, events)
	}
}

func (n *Node) MustMessage(t testing.TB, who domain.UserID, id domain.ConversationID, seq int64) domain.Message {
	t.Helper()
	m, err := n.Message(t.Context(), User(who), id, seq)
	require.NoError(t, err)
	return m
}

func (n *Node) SetSettings(t testing.TB, id domain.ConversationID, p domain.SettingsPatch) domain.Event {
	t.Helper()
	return Made(t, domain.ConversationUpdated)(n.Chat.Update(t.Context(), User("alice"), id, domain.Changes{Settings: &p}))
}

func (n *Node) SetHistory(t testing.TB, id domain.ConversationID, value string) {
	t.Helper()
	n.SetSettings(t, id, domain.SettingsPatch{History: &value})
}

func (n *Node) AddMember(t testing.TB, id domain.ConversationID, who domain.UserID) domain.Event {
	t.Helper()
	return Made(t, domain.MemberAdded)(n.Chat.AddMembers(t.Context(), User("alice"), id, []domain.UserID{who}, domain.RoleMember))
}

func (n *Node) Block(t *testing.T, by, user domain.UserID, on bool) {
	t.Helper()
	require.NoError(t, n.SetBlock(t.Context(), by, user, on))
}

// to sends to a user and returns what became of it.
func (n *Node) SendTo(t *testing.T, from, to domain.UserID, msgID string) Answer {
	t.Helper()
	return Wait(t, n.Send(t.Context(), from, domain.Post{To: to, ClientMsgID: msgID, Content: Text("x")}))
}

func ContextOf(t any) context.Context {
	if t, ok := t.(interface{ Context() context.Context }); ok {
		return t.Context()
	}
	return context.Background()
}

func IgnoreNotFound(err error) error {
	if errors.Is(err, domain.ErrNotFound) {
		return nil
	}
	return err
}

func IgnoreRefused(err error) error {
	for _, refusal := range []error{domain.ErrNotFound, domain.ErrForbidden, domain.ErrConflict, domain.ErrInvalid} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	return err
}

func AsJSON(t require.TestingT, v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	require.NoError(t, err)
	return string(text)
}
