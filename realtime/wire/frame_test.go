package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im"
	"im/domain"
	"im/test/frametest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a text with testdata/<name>.golden.json, byte for byte but
// for the newline at the end of the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./realtime/wire -update")
	require.Equal(t, string(want), string(got)+"\n")
}

// TestGoldenFrames compares each frame byte for byte, and with its description.
func TestGoldenFrames(t *testing.T) {
	protocol, err := frametest.Read(im.AsyncAPI())
	require.NoError(t, err)
	checked := map[string]bool{}
	check := func(text []byte) {
		name, err := protocol.FromServer(text)
		require.NoError(t, err, "not as described: %s", text)
		checked[name] = true
	}
	for name, frame := range goldenFrames() {
		golden(t, name, frame.Payload())
		check(frame.Payload())
	}
	// An event in its frame is encoded as everywhere else.
	files, err := filepath.Glob("../../domain/testdata/*.golden.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		text = bytes.TrimSuffix(text, []byte("\n"))
		var e domain.Event
		require.NoError(t, json.Unmarshal(text, &e))
		frame := Event(&e).Payload()
		require.Equal(t, `{"type":"event","event":`+string(text)+`}`, string(frame))
		check(frame)
	}
	for _, name := range protocol.ServerMessages() {
		require.True(t, checked[name], "%s has no golden file", name)
	}
}

// TestCloseCodes: the description names each code and its reason.
func TestCloseCodes(t *testing.T) {
	text := string(im.AsyncAPI())
	codes := 0
	for code := CloseTooLarge; code < 5000; code++ {
		if reason := code.String(); reason != "" && code != CloseInternal {
			require.Contains(t, text, fmt.Sprintf("%d %s", code, reason))
			codes++
		}
	}
	require.GreaterOrEqual(t, codes, 12)
}

// TestHeader: the header states the length in the form that RFC 6455 requires.
func TestHeader(t *testing.T) {
	for size, header := range map[int][]byte{
		0: {0x81, 0}, 125: {0x81, 125}, 126: {0x81, 126, 0, 126}, 1<<16 - 1: {0x81, 126, 0xff, 0xff},
		1 << 16: {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	} {
		frame := Text(make([]byte, size))
		require.Equal(t, header, []byte(frame[:len(frame)-size]))
		require.Len(t, frame.Payload(), size)
	}
	require.Equal(t, Frame{0x88, 2 + 8, 0xf, 0xa1, 't', 'o', 'o', ' ', 's', 'l', 'o', 'w'}, Close(CloseTooSlow))
	require.Equal(t, Frame{0x89, 0}, ControlPing())
	require.Equal(t, Frame{0x8a, 1, 'x'}, ControlPong("x"))
}

func goldenFrames() map[string]Frame {
	at := domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC))
	id := domain.ConversationID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}
	gone := domain.ConversationID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x81}
	name, title, total := "Bob <b>", "Release", int64(3)
	users := map[domain.UserID]domain.Profile{"bob": {Name: &name}}
	posted := domain.Event{
		ConversationID: id, Seq: 42, Type: domain.MessagePosted, Sender: "bob", ClientMsgID: `c-"1"`, At: at,
		Body: json.RawMessage(`{"content":{"type":"text","text":"<Hello>"}}`),
	}
	message := domain.Message{
		ConversationID: id, Seq: 42, Sender: "bob", ClientMsgID: `c-"1"`, At: at, Content: json.RawMessage(`{"type":"text","text":"<Hello>"}`),
		ReplyTo: 41, Mentions: []domain.UserID{"alice"}, Metadata: json.RawMessage(`{"a":1}`), EditedAt: &at,
		Reactions: []domain.Reaction{{Emoji: "👍", Count: 2, Mine: true}}, Pinned: true,
	}
	direct := domain.ConversationView{
		ConversationID: id, Kind: domain.Direct, Settings: domain.DefaultSettings(), CreatedAt: at, ActiveAt: at, Role: domain.RoleMember, Peer: "bob",
		MemberCount: 2, HeadSeq: 42, FloorSeq: 1, AckedSeq: 40, ReadSeq: 41, UnreadCount: 1, MentionCount: 1,
		Preferences: domain.DefaultPreferences(), LastMessage: &message, Events: []domain.Event{posted}, Limited: true,
	}
	group := domain.ConversationView{
		ConversationID: id, Kind: domain.Group, Title: &title, Settings: domain.DefaultSettings(), Metadata: json.RawMessage(`{"ticket":7}`),
		CreatedAt: at, ActiveAt: at, Role: domain.RoleAdmin, MemberCount: 3, HeadSeq: 1, FloorSeq: 1, ReadSeq: 1,
		Preferences: domain.DefaultPreferences(), Events: []domain.Event{},
	}
	state := domain.ReadState{ConversationID: id, ReadSeq: 42, UnreadCount: 2, MentionCount: 1, UnreadTotal: 3}
	return map[string]Frame{
		"welcome": Welcome("", WelcomeFields{
			UserID: "alice", DeviceID: "phone-1", SessionID: "X5N3", NodeID: "chat-1.k3v9", Epoch: "01JGF3",
			HeartbeatMS: 25000, ServerTime: at, TokenExpiresAt: at, Limits: domain.DefaultLimits(),
		}),
		"welcome-id": Welcome("r1", WelcomeFields{UserID: "alice", DeviceID: "phone-1", SessionID: "X5N3", NodeID: "chat-1.k3v9", Epoch: "01JGF3", HeartbeatMS: 25000, ServerTime: at, TokenExpiresAt: at, Limits: domain.DefaultLimits()}),
		"sync_page": SyncPage("r1", &domain.SyncPage{
			Epoch: "01JGF3", Conversations: []domain.ConversationView{direct, group}, Removed: []domain.ConversationID{gone},
			Users: users, Cursor: "b3BhcXVl", Done: true, UnreadTotal: &total,
		}),
		"sync_page-first": SyncPage("r1", &domain.SyncPage{
			Epoch: "01JGF3", Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{},
			Users: map[domain.UserID]domain.Profile{}, Cursor: "b3BhcXVl",
		}),
		"sent":          Sent("r2", &domain.Sent{Event: domain.Event{ConversationID: id, ClientMsgID: `c-"1"`, Seq: 42, At: at}, Duplicate: true}),
		"sent-replaced": Sent("r2", &domain.Sent{Event: domain.Event{ConversationID: id, ClientMsgID: "c-1", Seq: 42, At: at}, Content: json.RawMessage(`{"type":"text","text":"d***"}`)}),
		"page": Page("r3", &domain.EventPage{
			ConversationID: id, Epoch: "01JGF3", Events: []domain.Event{posted}, FromSeq: 42, ToSeq: 42, HeadSeq: 43, FloorSeq: 1, HasMore: true, Users: users,
		}),
		"page-empty": Page("r3", &domain.EventPage{
			ConversationID: id, Epoch: "01JGF3", Events: []domain.Event{}, HeadSeq: 43, FloorSeq: 1, Users: map[domain.UserID]domain.Profile{},
		}),
		"read_state":        ReadState("r4", state),
		"read_state-signal": ReadState("", state),
		"pong":              Pong("r5", at),
		"pong-no-id":        Pong("", at),
		"conversation":      Conversation(group),
		"gap":               Gap(map[domain.ConversationID]int64{id: 97, gone: 7}, GapSlowReader),
		"notice":            encode(domain.Notice{Type: "notice", NoticeID: "R4T9", BizType: "order", Data: json.RawMessage(`{"<id>":7}`)}),
		"drain":             Drain(1730 * time.Millisecond),
		"error":             Error("r6", domain.Invalid("/content/text", "must not be <empty>")),
		"error-no-id":       Error("", domain.ErrUnavailable),
		"error-after":       Error("r7", domain.ErrRateLimited.WithRetryAfter(1500*time.Microsecond)),
		"typing":            Typing(id, "bob", true),
		"receipt":           Receipt(domain.Receipt{ConversationID: id, UserID: "bob", DeliveredSeq: 42, ReadSeq: 7}),
		"presence":          Presence("", domain.Presence{UserID: "bob", Online: new(true)}),
		"presence-id":       Presence("r8", domain.Presence{UserID: "bob", Online: new(true)}),
		"presence-unknown":  Presence("", domain.Presence{UserID: "bob"}),
		"presence-offline":  Presence("", domain.Presence{UserID: "bob", Online: new(false), LastSeenAt: &at}),
	}
}
