package domain_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// replacing is a hook that puts a content in the place of each.
type replacing json.RawMessage

// Call implements domain.Hook.
func (r replacing) Call(_ context.Context, _ domain.Proposal, done func(domain.Verdict)) {
	done(domain.Verdict{Content: json.RawMessage(r)})
}

// What counts is the content that is posted: the attachment that a hook has put into it, or
// none if the hook has taken it away.
func TestAttachmentInReplacedContent(t *testing.T) {
	mine, other := domain.AttachmentID{15: 1}, domain.AttachmentID{15: 2}
	naming := func(id domain.AttachmentID) json.RawMessage {
		return json.RawMessage(`{"type":"file","attachment_id":"` + id.String() + `"}`)
	}
	try := func(asked, replaced json.RawMessage) (domain.AttachmentState, error) {
		chat, log := newChat(t)
		log.SetAttachment(domain.Attachment{ID: mine, Owner: "mia", State: domain.AttachmentReady})
		log.SetAttachment(domain.Attachment{ID: other, Owner: "olga", State: domain.AttachmentReady})
		_, err := send(chat.WithHook(replacing(replaced)), domain.Actor{User: "mia"}, domain.Post{ConversationID: groupID, ClientMsgID: "c", Content: asked})
		a, found := log.FindAttachment(t.Context(), mine)
		require.NoError(t, found)
		return a.State, err
	}
	state, err := try(naming(mine), text("nothing"))
	require.NoError(t, err)
	require.Equal(t, domain.AttachmentReady, state)
	state, err = try(text("x"), naming(mine))
	require.NoError(t, err)
	require.Equal(t, domain.AttachmentAttached, state)
	_, err = try(naming(mine), naming(other))
	require.ErrorIs(t, err, domain.ErrInvalid)
	_, err = try(naming(other), text("x"))
	require.NoError(t, err, "the hook has taken it away")
}

// A message from a time at which ids were not checked keeps its id when its text is edited,
// and gets no other.
func TestEditKeepsAnUncheckedAttachment(t *testing.T) {
	chat, log := newChat(t)
	file := func(id, text string) json.RawMessage {
		return json.RawMessage(`{"type":"file","attachment_id":"` + id + `","text":"` + text + `"}`)
	}
	unchecked := domain.NewChat(log, domain.DefaultLimits())
	for i, id := range []string{"a-7", "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"} {
		key := "c" + id
		sent, err := send(unchecked, domain.Actor{User: "mia"}, domain.Post{ConversationID: groupID, ClientMsgID: key, Content: file(id, "tpyo")})
		require.NoError(t, err)
		_, err = chat.EditMessage(t.Context(), domain.Actor{User: "mia"}, groupID, sent.Event.Seq, domain.Edit{Content: file(id, "typo")})
		require.NoError(t, err, i)
		_, err = chat.EditMessage(t.Context(), domain.Actor{User: "mia"}, groupID, sent.Event.Seq, domain.Edit{Content: file("b-8", "typo")})
		require.ErrorIs(t, err, domain.ErrInvalid)
	}
}
