package storetest

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

	"im/domain"
	"im/store/postgres"
)

// Deadline is for what happens in milliseconds, on a machine that may be busy.
const Deadline = 30 * time.Second

// node is a Store that runs, and what it was told of its commits.
type Node struct {
	*postgres.Store
	Chat *domain.Chat
	URL  string

	Quiet   bool // note no commits
	mu      sync.Mutex
	commits []domain.Committed
}

func Start(t testing.TB, url string, change ...func(*postgres.Options)) *Node {
	t.Helper()
	n := &Node{URL: url}
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
	n.Store, n.Chat = store, domain.NewChat(store, domain.DefaultLimits())
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

// OneCommitter lets a Store append over one connection.
func OneCommitter(o *postgres.Options) { o.Committers = 1 }

func (n *Node) pushed(c domain.Committed) {
	if n.Quiet {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c.Events = slices.Clone(c.Events)
	n.commits = append(n.commits, c)
}

func (n *Node) Commits(id domain.ConversationID) (list []domain.Committed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.commits {
		if c.ConversationID == id {
			list = append(list, c)
		}
	}
	return list
}

func User(id domain.UserID) domain.Actor { return domain.Actor{User: id} }

func (n *Node) Group(t testing.TB, creator domain.UserID, others ...domain.UserID) domain.ConversationID {
	t.Helper()
	title := "a group"
	id, created, err := n.Chat.Create(t.Context(), User(creator), domain.Creation{Kind: domain.Group, Members: others, Title: &title})
	require.NoError(t, err)
	require.True(t, created)
	return id
}

func Text(s string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"text","text":%q}`, s))
}

func Metadata(value string) domain.Field[json.RawMessage] {
	f := domain.Field[json.RawMessage]{Set: true}
	if value != "" {
		raw := json.RawMessage(value)
		f.Value = &raw
	}
	return f
}

type Answer struct {
	domain.Sent
	Err error
}

// send submits and returns at once.
func (n *Node) Send(ctx context.Context, from domain.UserID, p domain.Post) <-chan Answer {
	answers := make(chan Answer, 2) // a second one would be seen
	n.Chat.Send(ctx, User(from), p, func(s domain.Sent, err error) { answers <- Answer{s, err} })
	return answers
}

func (n *Node) Post(t testing.TB, from domain.UserID, id domain.ConversationID, msgID, content string) domain.Event {
	t.Helper()
	a := Wait(t, n.Send(t.Context(), from, domain.Post{ConversationID: id, ClientMsgID: msgID, Content: Text(content)}))
	require.NoError(t, a.Err)
	return a.Event
}

func Wait[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Deadline):
		t.Fatal("no answer in time")
		panic("unreachable")
	}
}

// log reads the whole log of a conversation and checks that it is dense.
func (n *Node) Log(t testing.TB, id domain.ConversationID) (events []domain.Event) {
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

func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
