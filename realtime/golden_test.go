package realtime

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
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
	require.NoError(t, err, "go test ./realtime -update")
	require.Equal(t, string(want), string(got)+"\n")
}

// TestGoldenFrames: each frame to a client, byte for byte, and as described.
func TestGoldenFrames(t *testing.T) {
	described := newJudge(t)
	for name, frame := range goldenFrames() {
		golden(t, name, payloadOf(frame))
		described.fromServer(payloadOf(frame))
	}
	// An event in its frame is the event as it is everywhere.
	files, err := filepath.Glob("../domain/testdata/*.golden.json")
	require.NoError(t, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		text = []byte(strings.TrimSuffix(string(text), "\n"))
		var e domain.Event
		require.NoError(t, json.Unmarshal(text, &e))
		frame := payloadOf(eventFrame(&e))
		require.Equal(t, `{"type":"event","event":`+string(text)+`}`, string(frame))
		described.fromServer(frame)
	}
	require.Empty(t, described.unseen(described.ServerMessages()), "have no golden file")
}

func goldenFrames() map[string]wire {
	frames := otherGoldenFrames()
	for name, v := range map[string]any{
		"typing": typingFrame{Type: "typing", ConversationID: domain.ConversationID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}, UserID: "bob", On: true},
		"receipt": receiptFrame{"receipt", domain.Receipt{
			ConversationID: domain.ConversationID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}, UserID: "bob", DeliveredSeq: 42, ReadSeq: 7,
		}},
		"presence":         presenceFrame{"presence", domain.Presence{UserID: "bob", Online: new(true)}},
		"presence-unknown": presenceFrame{"presence", domain.Presence{UserID: "bob"}},
		"presence-offline": presenceFrame{"presence", domain.Presence{
			UserID: "bob", Online: new(false), LastSeenAt: new(domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC))),
		}},
	} {
		frames[name] = jsonFrame(v)
	}
	return frames
}

func otherGoldenFrames() map[string]wire {
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
		ConversationID: id, Kind: domain.Direct, Settings: domain.DefaultSettings(), CreatedAt: at, Role: domain.RoleMember, Peer: "bob",
		MemberCount: 2, HeadSeq: 42, FloorSeq: 1, AckedSeq: 40, ReadSeq: 41, UnreadCount: 1, MentionCount: 1,
		Preferences: domain.DefaultPreferences(), LastMessage: &message, Events: []domain.Event{posted}, Limited: true,
	}
	group := domain.ConversationView{
		ConversationID: id, Kind: domain.Group, Title: &title, Settings: domain.DefaultSettings(), Metadata: json.RawMessage(`{"ticket":7}`),
		CreatedAt: at, Role: domain.RoleAdmin, MemberCount: 3, HeadSeq: 1, FloorSeq: 1, ReadSeq: 1,
		Preferences: domain.DefaultPreferences(), Events: []domain.Event{},
	}
	state := domain.ReadState{ConversationID: id, ReadSeq: 42, UnreadCount: 2, MentionCount: 1, UnreadTotal: 3}
	return map[string]wire{
		"welcome": jsonFrame(welcomeFrame{
			Type: "welcome", UserID: "alice", DeviceID: "phone-1", SessionID: "X5N3", NodeID: "chat-1.k3v9", Epoch: "01JGF3",
			HeartbeatMS: 25000, ServerTime: at, TokenExpiresAt: at, Limits: domain.DefaultLimits(),
		}),
		"sync_page": syncPageFrame("r1", &domain.SyncPage{
			Epoch: "01JGF3", Conversations: []domain.ConversationView{direct, group}, Removed: []domain.ConversationID{gone},
			Users: users, Cursor: "b3BhcXVl", Done: true, UnreadTotal: &total,
		}),
		"sync_page-first": syncPageFrame("r1", &domain.SyncPage{
			Epoch: "01JGF3", Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{},
			Users: map[domain.UserID]domain.Profile{}, Cursor: "b3BhcXVl",
		}),
		"sent": sentFrame("r2", &domain.Sent{Event: domain.Event{ConversationID: id, ClientMsgID: `c-"1"`, Seq: 42, At: at}, Duplicate: true}),
		"page": pageFrame("r3", &domain.EventPage{
			ConversationID: id, Epoch: "01JGF3", Events: []domain.Event{posted}, FromSeq: 42, ToSeq: 42, HeadSeq: 43, FloorSeq: 1, HasMore: true, Users: users,
		}),
		"page-empty": pageFrame("r3", &domain.EventPage{
			ConversationID: id, Epoch: "01JGF3", Events: []domain.Event{}, HeadSeq: 43, FloorSeq: 1, Users: map[domain.UserID]domain.Profile{},
		}),
		"read_state":        jsonFrame(readStateFrame{Type: "read_state", ID: "r4", ReadState: state}),
		"read_state-signal": jsonFrame(readStateFrame{Type: "read_state", ReadState: state}),
		"pong":              jsonFrame(pongFrame{Type: "pong", ID: "r5", ServerTime: at}),
		"pong-no-id":        jsonFrame(pongFrame{Type: "pong", ServerTime: at}),
		"conversation":      jsonFrame(conversationFrame{Type: "conversation", Conversation: group}),
		"gap":               jsonFrame(gapFrame{Type: "gap", Conversations: map[domain.ConversationID]int64{id: 97, gone: 7}, Reason: "slow_reader"}),
		"notice":            jsonFrame(domain.Notice{Type: "notice", NoticeID: "R4T9", BizType: "order", Data: json.RawMessage(`{"<id>":7}`)}),
		"drain":             jsonFrame(drainFrame{Type: "drain", ReconnectAfterMS: 1730}),
		"error":             newErrorFrame("r6", domain.Invalid("/content/text", "must not be <empty>")),
		"error-no-id":       newErrorFrame("", domain.ErrUnavailable),
		"error-after":       newErrorFrame("r7", domain.ErrRateLimited.WithRetryAfter(1500*time.Microsecond)),
	}
}
