package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is for what happens in milliseconds, on a machine that may be busy.
const deadline = 30 * time.Second

// node is a Store that runs, and what it was told of its commits.
type node struct {
	*postgres.Store
	chat *domain.Chat
	url  string

	quiet   bool // note no commits
	mu      sync.Mutex
	commits []domain.Committed
}

func start(t testing.TB, url string, change ...func(*postgres.Options)) *node {
	t.Helper()
	n := &node{url: url}
	level := slog.LevelError + 1
	if os.Getenv("IM_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	o := postgres.Options{
		URL: url, Node: "test", Push: n.pushed,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	for _, c := range change {
		c(&o)
	}
	store, err := postgres.Open(t.Context(), o)
	require.NoError(t, err)
	n.Store, n.chat = store, domain.NewChat(store, domain.DefaultLimits())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		store.Close()
	})
	return n
}

func (n *node) pushed(c domain.Committed) {
	if n.quiet {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c.Events = slices.Clone(c.Events)
	n.commits = append(n.commits, c)
}

func (n *node) told(id domain.ConversationID) (list []domain.Committed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.commits {
		if c.ConversationID == id {
			list = append(list, c)
		}
	}
	return list
}

func user(id domain.UserID) domain.Actor { return domain.Actor{User: id} }

func (n *node) group(t testing.TB, creator domain.UserID, others ...domain.UserID) domain.ConversationID {
	t.Helper()
	title := "a group"
	id, created, err := n.chat.Create(t.Context(), user(creator), domain.Creation{Kind: domain.Group, Members: others, Title: &title})
	require.NoError(t, err)
	require.True(t, created)
	return id
}

func text(s string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"text","text":%q}`, s))
}

func metadata(value string) domain.Field[json.RawMessage] {
	f := domain.Field[json.RawMessage]{Set: true}
	if value != "" {
		raw := json.RawMessage(value)
		f.Value = &raw
	}
	return f
}

type answer struct {
	domain.Sent
	err error
}

// send submits and returns at once.
func (n *node) send(ctx context.Context, from domain.UserID, p domain.Post) <-chan answer {
	answers := make(chan answer, 2) // a second one would be seen
	n.chat.Send(ctx, user(from), p, func(s domain.Sent, err error) { answers <- answer{s, err} })
	return answers
}

func (n *node) post(t testing.TB, from domain.UserID, id domain.ConversationID, msgID, content string) domain.Event {
	t.Helper()
	a := wait(t, n.send(t.Context(), from, domain.Post{ConversationID: id, ClientMsgID: msgID, Content: text(content)}))
	require.NoError(t, a.err)
	return a.Event
}

func wait[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(deadline):
		t.Fatal("no answer in time")
		panic("unreachable")
	}
}

// log reads the whole log of a conversation and checks that it is dense.
func (n *node) log(t testing.TB, id domain.ConversationID) (events []domain.Event) {
	t.Helper()
	for {
		part, err := n.LogRange(context.Background(), id, int64(len(events)), 1<<40)
		require.NoError(t, err)
		if len(part) == 0 {
			break
		}
		events = append(events, part...)
	}
	for i, e := range events {
		require.Equal(t, int64(i+1), e.Seq, "the log has a hole or a repetition")
		if i > 0 {
			require.False(t, e.At.Before(events[i-1].At.Time), "time went back along the seqs")
		}
	}
	return events
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestSendAndRead(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	e := n.post(t, "alice", id, "m1", "hello")
	require.Equal(t, int64(2), e.Seq)
	again := wait(t, n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "m1", Content: text("hello")}))
	require.NoError(t, again.err)
	require.True(t, again.Duplicate)
	require.Equal(t, e, again.Event)
	events := n.log(t, id)
	require.Len(t, events, 2)
	require.Equal(t, e, events[1])
	v, err := n.Conversation(t.Context(), user("bob"), id, "")
	require.NoError(t, err)
	require.EqualValues(t, 1, v.UnreadCount)
	require.Equal(t, "hello", func() string {
		var c struct{ Text string }
		require.NoError(t, json.Unmarshal(v.LastMessage.Content, &c))
		return c.Text
	}())
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Limit: 10, TimelineLimit: 5})
	require.NoError(t, err)
	require.True(t, page.Done)
	require.Len(t, page.Conversations, 1)
	require.Len(t, page.Conversations[0].Events, 2)
}
