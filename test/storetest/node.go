package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
)

// Deadline bounds waits for what takes milliseconds on an idle machine.
const Deadline = time.Minute

// Node is a running Store that records its commits.
type Node struct {
	*postgres.Store
	Chat *domain.Chat
	URL  string

	Quiet   bool // do not record commits; set before the first command
	mu      sync.Mutex
	commits []domain.Committed
}

// Start opens a Store on the database of url and runs it until the test ends. Logs are
// discarded unless IM_TEST_LOG is set.
func Start(t testing.TB, url string, change ...func(*postgres.Options)) *Node {
	t.Helper()
	n := &Node{URL: url}
	level := slog.LevelError + 1
	if os.Getenv("IM_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	o := postgres.Options{
		URL: url, Node: "test", Push: n.pushed, CommandTimeout: Deadline,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	for _, c := range change {
		c(&o)
	}
	var store *postgres.Store
	eventually.NoError(t, "the store opens, on a busy machine too", func() error {
		var err error
		if store, err = postgres.Open(t.Context(), o); err != nil && !errors.Is(err, domain.ErrUnavailable) {
			require.NoError(t, err)
		}
		return err
	})
	n.Store, n.Chat = store, domain.NewChat(store, domain.DefaultLimits()).WithUploads(Uploaded{})
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

// Uploaded is a storage that has what the rows of attachments say.
type Uploaded struct{}

// SettleAttachment implements domain.Uploads.
func (Uploaded) SettleAttachment(context.Context, domain.UserID, domain.AttachmentID) error {
	return nil
}

// OwnTimeout lets commands of a Store time out as in production.
func OwnTimeout(o *postgres.Options) { o.CommandTimeout = 0 }

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

// Commits returns the commits of a conversation that the Store has pushed so far.
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

// User returns the actor of a user.
func User(id domain.UserID) domain.Actor { return domain.Actor{User: id} }

// Group creates a group.
func (n *Node) Group(t testing.TB, creator domain.UserID, others ...domain.UserID) domain.ConversationID {
	t.Helper()
	title := "a group"
	id, created, err := n.Chat.Create(t.Context(), User(creator), domain.Creation{Kind: domain.Group, Members: others, Title: &title})
	require.NoError(t, err)
	require.True(t, created)
	return id
}

// Text returns the content of a text message.
func Text(s string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"text","text":%q}`, s))
}

// Metadata returns a field that is set to value, or to null if value is "".
func Metadata(value string) domain.Field[json.RawMessage] {
	f := domain.Field[json.RawMessage]{Set: true}
	if value != "" {
		raw := json.RawMessage(value)
		f.Value = &raw
	}
	return f
}

// Answer is the answer to Send.
type Answer struct {
	domain.Sent
	Err error
}

// Send submits a posting and returns at once.
func (n *Node) Send(ctx context.Context, from domain.UserID, p domain.Post) <-chan Answer {
	answers := make(chan Answer, 2) // room for a second answer, which would be an error
	n.Chat.Send(ctx, User(from), p, func(s domain.Sent, err error) { answers <- Answer{s, err} })
	return answers
}

// Post sends a text message and returns its event.
func (n *Node) Post(t testing.TB, from domain.UserID, id domain.ConversationID, msgID, content string) domain.Event {
	t.Helper()
	a := Wait(t, n.Send(t.Context(), from, domain.Post{ConversationID: id, ClientMsgID: msgID, Content: Text(content)}))
	require.NoError(t, a.Err)
	return a.Event
}

// Wait receives from c, even what comes at Deadline.
func Wait[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(2 * Deadline):
		t.Fatal("no answer in time")
		panic("unreachable")
	}
}

// Log returns the whole log of a conversation, after checking that it is dense.
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
			require.False(t, e.At.Before(events[i-1].At.Time), "time goes backwards")
		}
	}
	return events
}

// ConnectUnaffected is like Connect, but most defaults of the database do not apply to the
// connection.
func ConnectUnaffected(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	own := map[string]string{
		"default_transaction_read_only": "off", "default_transaction_deferrable": "off", "statement_timeout": "0", "lock_timeout": "0",
		"idle_session_timeout": "0", "idle_in_transaction_session_timeout": "0", "search_path": "public", "client_encoding": "UTF8",
	}
	maps.Copy(own, config.RuntimeParams)
	config.RuntimeParams = own
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Connect opens a connection for the test itself.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
