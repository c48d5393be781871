package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// Edit replaces the text of a message.
func (n *Node) Edit(who domain.UserID, id domain.ConversationID, seq int64, words string, mentions ...domain.UserID) ([]domain.Event, error) {
	return n.Chat.EditMessage(context.Background(), User(who), id, seq, domain.Edit{Content: Text(words), Mentions: mentions})
}

// Recall recalls a message.
func (n *Node) Recall(who domain.UserID, id domain.ConversationID, seq int64) ([]domain.Event, error) {
	return n.Chat.RecallMessage(context.Background(), User(who), id, seq, "")
}

// Made returns a check of the result of a command: it must be one event of a type, which
// the check returns.
func Made(t testing.TB, want domain.EventType) func([]domain.Event, error) domain.Event {
	return func(events []domain.Event, err error) domain.Event {
		t.Helper()
		require.NoError(t, err)
		require.Len(t, events, 1)
		require.Equal(t, want, events[0].Type)
		return events[0]
	}
}

// EndingSoon calls impose with a time that is two seconds away by the clock of the
// database, and returns the time. If that is over before it is decided on, as on a busy
// machine, the next time is twice as far away.
func EndingSoon(t testing.TB, url string, impose func(until domain.Time) error) domain.Time {
	t.Helper()
	conn := Connect(t, url)
	for wait := 2 * time.Second; ; wait *= 2 {
		var now time.Time
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now))
		until := domain.TimeOf(now.Add(wait))
		err := impose(until)
		if errors.Is(err, domain.ErrInvalid) && wait < Deadline {
			continue
		}
		require.NoError(t, err)
		return until
	}
}

// Nothing returns a check of the result of a command: it must be no event.
func Nothing(t testing.TB) func([]domain.Event, error) {
	return func(events []domain.Event, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Empty(t, events)
	}
}

// MustMessage reads one message, which must exist.
func (n *Node) MustMessage(t testing.TB, who domain.UserID, id domain.ConversationID, seq int64) domain.Message {
	t.Helper()
	m, err := n.Message(t.Context(), User(who), id, seq)
	require.NoError(t, err)
	return m
}

// SetSettings changes the settings of a group as alice, its owner.
func (n *Node) SetSettings(t testing.TB, id domain.ConversationID, p domain.SettingsPatch) domain.Event {
	t.Helper()
	return Made(t, domain.ConversationUpdated)(n.Chat.Update(t.Context(), User("alice"), id, domain.Changes{Settings: &p}))
}

// SetHistory changes what new members see of the history, as alice.
func (n *Node) SetHistory(t testing.TB, id domain.ConversationID, value string) {
	t.Helper()
	n.SetSettings(t, id, domain.SettingsPatch{History: &value})
}

// AddMember adds a member as alice.
func (n *Node) AddMember(t testing.TB, id domain.ConversationID, who domain.UserID) domain.Event {
	t.Helper()
	return Made(t, domain.MemberAdded)(n.Chat.AddMembers(t.Context(), User("alice"), id, []domain.UserID{who}, domain.RoleMember))
}

// Block sets or lifts a block.
func (n *Node) Block(t *testing.T, by, user domain.UserID, on bool) {
	t.Helper()
	require.NoError(t, n.SetBlock(t.Context(), by, user, on))
}

// SendTo sends a direct message and returns the answer.
func (n *Node) SendTo(t *testing.T, from, to domain.UserID, msgID string) Answer {
	t.Helper()
	return Wait(t, n.Send(t.Context(), from, domain.Post{To: to, ClientMsgID: msgID, Content: Text("x")}))
}

// ContextOf returns the context of a *testing.T, a *testing.B or a *rapid.T.
func ContextOf(t any) context.Context {
	if t, ok := t.(interface{ Context() context.Context }); ok {
		return t.Context()
	}
	return context.Background()
}

// IgnoreNotFound returns err, or nil for ErrNotFound.
func IgnoreNotFound(err error) error {
	if errors.Is(err, domain.ErrNotFound) {
		return nil
	}
	return err
}

// IgnoreRefused returns err, or nil if the domain refused the command.
func IgnoreRefused(err error) error {
	for _, refusal := range []error{domain.ErrNotFound, domain.ErrForbidden, domain.ErrConflict, domain.ErrInvalid} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	return err
}

// AsJSON encodes v for a comparison.
func AsJSON(t require.TestingT, v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	require.NoError(t, err)
	return string(text)
}
