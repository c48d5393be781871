package domain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
)

// TestPagesEncodeLikeEncodingJSON compares the hand-written encoders with
// encoding/json: the same members and values in the same order. White space and escapes
// may differ.
func TestPagesEncodeLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := domain.EventPage{
			ConversationID: drawID(t), Epoch: drawText(t), Events: drawEvents(t), FromSeq: drawSeq(t), ToSeq: drawSeq(t),
			HeadSeq: drawSeq(t), FloorSeq: drawSeq(t), HasMore: drawBool(t), Users: drawProfiles(t),
		}
		requireSame(t, events, braced(events.AppendFields))
		messages := domain.MessagePage{
			Messages: []domain.Message{drawMessage(t), drawMessage(t)}, HeadSeq: drawSeq(t), FloorSeq: drawSeq(t),
			HasMoreBefore: drawBool(t), HasMoreAfter: drawBool(t), Users: drawProfiles(t),
		}
		requireSame(t, messages, braced(messages.AppendFields))
		synced := domain.SyncPage{
			Epoch: drawText(t), Conversations: []domain.ConversationView{drawView(t), drawView(t)},
			Removed: []domain.ConversationID{drawID(t), drawID(t)}, Users: drawProfiles(t),
			Cursor: drawText(t), Done: drawBool(t), UnreadTotal: drawOptional(t, drawSeq),
		}
		requireSame(t, synced, braced(synced.AppendFields))
	})
}

func TestTimesEncodeLikeTheLayout(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := domain.TimeOf(time.UnixMicro(rapid.Int64Range(-63_000_000_000_000_000, 253_402_300_799_999_999).Draw(t, "micros")))
		require.Equal(t, at.Format(`"2006-01-02T15:04:05.000000Z07:00"`), string(at.AppendJSON(nil)))
	})
}

func TestEmptyPagesHaveArrays(t *testing.T) {
	t.Parallel()
	for _, p := range []interface{ AppendFields([]byte) []byte }{&domain.EventPage{}, &domain.MessagePage{}, &domain.SyncPage{}} {
		text := braced(p.AppendFields)
		require.True(t, json.Valid(text), string(text))
		require.NotContains(t, string(text), "null")
	}
}

func braced(appendFields func([]byte) []byte) []byte {
	return append(appendFields([]byte("{")), '}')
}

func requireSame(t *rapid.T, v any, got []byte) {
	want, err := json.Marshal(v)
	require.NoError(t, err)
	require.True(t, json.Valid(got), string(got))
	require.Equal(t, tokensOf(t, want), tokensOf(t, got))
}

// tokensOf returns the tokens of a JSON text in their order, without white space and
// escapes.
func tokensOf(t *rapid.T, text []byte) (tokens []json.Token) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return tokens
		}
		require.NoError(t, err)
		tokens = append(tokens, token)
	}
}

func drawBool(t *rapid.T) bool   { return rapid.Bool().Draw(t, "bool") }
func drawSeq(t *rapid.T) int64   { return rapid.Int64Range(0, 1<<53).Draw(t, "seq") }
func drawText(t *rapid.T) string { return rapid.String().Draw(t, "text") }

func drawUser(t *rapid.T) domain.UserID {
	return domain.UserID(rapid.StringMatching(`[A-Za-z0-9._:@+=|-]{1,16}`).Draw(t, "user"))
}

func drawID(t *rapid.T) (id domain.ConversationID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return id
}

func drawTime(t *rapid.T) domain.Time {
	return domain.TimeOf(time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "micros")))
}

func drawOptional[T any](t *rapid.T, draw func(*rapid.T) T) *T {
	if drawBool(t) {
		return nil
	}
	return new(draw(t))
}

func drawRaw(t *rapid.T) json.RawMessage {
	return rapid.SampledFrom([]json.RawMessage{
		nil, json.RawMessage(`null`), json.RawMessage(`{"a": [1, "<\u2028é"]}`), json.RawMessage(`{ }`),
	}).Draw(t, "raw")
}

func drawEvents(t *rapid.T) []domain.Event {
	events := make([]domain.Event, rapid.IntRange(0, 3).Draw(t, "events"))
	for i := range events {
		events[i] = domain.Event{
			ConversationID: drawID(t), Seq: drawSeq(t), Type: domain.MessagePosted, Sender: drawUser(t),
			ClientMsgID: drawText(t), At: drawTime(t), Body: json.RawMessage(`{"content": {"text":"<é"}}`),
		}
	}
	return events
}

func drawProfiles(t *rapid.T) map[domain.UserID]domain.Profile {
	users := map[domain.UserID]domain.Profile{}
	for range rapid.IntRange(0, 3).Draw(t, "profiles") {
		users[drawUser(t)] = domain.Profile{Name: drawOptional(t, drawText), AvatarURL: drawOptional(t, drawText)}
	}
	return users
}

func drawMessage(t *rapid.T) domain.Message {
	m := domain.Message{
		ConversationID: drawID(t), Seq: drawSeq(t), Sender: drawUser(t), ClientMsgID: drawText(t), At: drawTime(t),
		Content: drawRaw(t), ReplyTo: drawSeq(t) % 3, Metadata: drawRaw(t), EditedAt: drawOptional(t, drawTime),
		Recalled: drawBool(t), Reactions: []domain.Reaction{}, Pinned: drawBool(t),
	}
	for range rapid.IntRange(0, 3).Draw(t, "mentions and reactions") {
		m.Mentions = append(m.Mentions, drawUser(t))
		m.Reactions = append(m.Reactions, domain.Reaction{Emoji: drawText(t), Count: int(drawSeq(t)), Mine: drawBool(t)})
	}
	return m
}

func drawView(t *rapid.T) domain.ConversationView {
	v := domain.ConversationView{
		ConversationID: drawID(t), Kind: domain.Group, Title: drawOptional(t, drawText), AvatarURL: drawOptional(t, drawText),
		Settings: domain.Settings{Posting: drawText(t), Joining: drawText(t), History: drawText(t), Receipts: drawBool(t)},
		Metadata: drawRaw(t), CreatedAt: drawTime(t), ActiveAt: drawTime(t), Role: domain.RoleOwner, MemberCount: int(drawSeq(t)),
		HeadSeq: drawSeq(t), FloorSeq: drawSeq(t), AckedSeq: drawSeq(t), ReadSeq: drawSeq(t),
		UnreadCount: drawSeq(t), MentionCount: drawSeq(t),
		Preferences: domain.Preferences{Notify: drawText(t), Pinned: drawBool(t), Archived: drawBool(t)},
		LastMessage: drawOptional(t, drawMessage), Events: drawEvents(t), Limited: drawBool(t), JoinedSeq: drawSeq(t),
	}
	if drawBool(t) {
		v.Peer = drawUser(t)
	}
	return v
}
