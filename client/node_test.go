package client_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
	"im/internal/app"
	"im/internal/auth"
	"im/test/eventually"
	"im/test/pgtest"
)

const secret = "a secret of 32 bytes, or of more"

// startNode runs a real node and returns its URL.
func startNode(t *testing.T) string {
	var flags struct {
		app.Services
		app.Tokens
		app.Rules
	}
	parser, err := kong.New(&flags, app.Defaults())
	require.NoError(t, err)
	_, err = parser.Parse([]string{"--jwt-secret", secret, "--database-url", pgtest.New(t), "--prefix", "client-" + uuid.NewString()[:8]})
	require.NoError(t, err)
	if url := os.Getenv("IM_TEST_REDIS_URL"); url != "" {
		flags.RedisURL = url
	}
	node, err := app.New(t.Context(), app.Options{
		Name: "test", Services: flags.Services, Tokens: flags.Tokens, Rules: flags.Rules,
		Logger: slog.New(slog.DiscardHandler), Drain: time.Second,
	})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		node.Close()
	})
	return "http://" + listener.Addr().String()
}

// startClient runs a client of a user against a real node.
func startClient(t *testing.T, url string, user client.UserID, signals chan<- client.Signal) *client.Client {
	signed, err := auth.Sign(secret, user, auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	c, err := client.New(client.Options{
		URLs: []string{url}, Token: client.Token(signed),
		OnSignal: func(_ context.Context, _ *client.Client, s client.Signal) {
			select {
			case signals <- s:
			default:
			}
		},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	synced, cancel := context.WithTimeout(t.Context(), eventually.Deadline)
	defer cancel()
	require.NoError(t, c.Synced(synced))
	return c
}

// collect returns all items of a list.
func collect[T any](t *testing.T, items iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for item, err := range items {
		require.NoError(t, err)
		all = append(all, item)
	}
	return all
}

// TestCallsOnANode: a real node takes the calls of the client, and answers what the
// client expects.
func TestCallsOnANode(t *testing.T) {
	url := startNode(t)
	signals := make(chan client.Signal, 100)
	alice, bob := startClient(t, url, "alice", signals), startClient(t, url, "bob", nil)
	ctx := t.Context()

	group, err := alice.CreateGroup(ctx, client.NewGroup{
		Title: "T", AvatarURL: "https://example.org/a.png", Members: []client.UserID{"bob"}, Metadata: []byte(`{"a":1}`),
		Settings: client.SettingsChange{Joining: new("open")}, ClientConversationID: "k",
	})
	require.NoError(t, err)
	id := group.ConversationID
	require.Equal(t, client.RoleOwner, group.Role)
	sent, err := alice.Send(ctx, client.Post{ConversationID: id, Content: client.Text("see you on Friday"), Mentions: []client.UserID{"bob"}})
	require.NoError(t, err)

	t.Run("conversations", func(t *testing.T) { testConversationCalls(t, alice, startClient(t, url, "carol", nil), id) })
	t.Run("messages", func(t *testing.T) { testMessageCalls(t, alice, bob, id, sent.Seq) })
	t.Run("users", func(t *testing.T) { testUserCalls(t, alice) })
	t.Run("signals", func(t *testing.T) {
		require.NoError(t, alice.Watch(ctx, "bob"))
		awaitSignal(t, signals, func(s client.Signal) bool {
			p, ok := s.(client.Presence)
			return ok && p.UserID == "bob" && p.Online != nil && *p.Online
		})
		require.NoError(t, bob.SetTyping(ctx, id, true))
		awaitSignal(t, signals, func(s client.Signal) bool { return s == client.Typing{ConversationID: id, UserID: "bob", On: true} })
		_, err := bob.MarkRead(ctx, id, sent.Seq)
		require.NoError(t, err)
		awaitSignal(t, signals, func(s client.Signal) bool {
			r, ok := s.(client.Receipt)
			return ok && r.UserID == "bob" && r.ReadSeq == sent.Seq
		})
		users := make([]client.UserID, alice.Limits().WatchUsers+1)
		require.ErrorIs(t, alice.Watch(ctx, users...), client.ErrInvalid)
	})
}

func awaitSignal(t *testing.T, signals <-chan client.Signal, wanted func(client.Signal) bool) {
	t.Helper()
	timeout := time.After(eventually.Deadline)
	for {
		select {
		case s := <-signals:
			if wanted(s) {
				return
			}
		case <-timeout:
			t.Fatal("the signal has not come")
		}
	}
}

func testConversationCalls(t *testing.T, alice, carol *client.Client, id client.ConversationID) {
	ctx := t.Context()
	again, err := alice.CreateGroup(ctx, client.NewGroup{Title: "other", ClientConversationID: "k"})
	require.ErrorIs(t, err, client.ErrIdempotencyConflict, "%v", again)
	require.NoError(t, alice.UpdateGroup(ctx, id, client.GroupChange{
		Title: new("T2"), AvatarURL: new(""), Settings: client.SettingsChange{Posting: new("admins")}, Metadata: []byte("null"),
	}))
	eventually.NoError(t, "the change", func() error {
		v, _ := alice.Conversation(id)
		if v.Title == nil || *v.Title != "T2" || v.AvatarURL != nil || v.Settings.Posting != "admins" {
			return fmt.Errorf("%+v", v)
		}
		return nil
	})
	require.NoError(t, alice.UpdateGroup(ctx, id, client.GroupChange{Settings: client.SettingsChange{Posting: new("everyone")}}))
	require.NoError(t, carol.Join(ctx, id))
	require.NoError(t, alice.SetRole(ctx, id, "bob", client.RoleAdmin))
	require.NoError(t, alice.AddMembers(ctx, id, "dave", "erin"))
	require.NoError(t, alice.RemoveMember(ctx, id, "dave"))
	require.NoError(t, carol.Leave(ctx, id))
	require.ErrorIs(t, carol.Leave(ctx, id), client.ErrNotFound)
	roles := map[client.UserID]client.Role{}
	for _, m := range collect(t, alice.Members(ctx, id)) {
		roles[m.UserID] = m.Role
	}
	require.Equal(t, map[client.UserID]client.Role{
		"alice": client.RoleOwner, "bob": client.RoleAdmin, "erin": client.RoleMember,
	}, roles)
	require.Len(t, collect(t, alice.Receipts(ctx, id)), 3)

	changed, err := alice.SetPreferences(ctx, id, client.PreferencesChange{Notify: new("none"), Pinned: new(true)})
	require.NoError(t, err)
	require.Equal(t, client.Preferences{Notify: "none", Pinned: true}, changed)
	read, err := alice.Preferences(ctx, id)
	require.NoError(t, err)
	require.Equal(t, changed, read)
}

func testMessageCalls(t *testing.T, alice, bob *client.Client, id client.ConversationID, seq int64) {
	ctx := t.Context()
	require.NoError(t, alice.Edit(ctx, id, seq, client.Text("see you on Monday")))
	require.ErrorIs(t, bob.Edit(ctx, id, seq, client.Text("x")), client.ErrForbidden)
	require.NoError(t, bob.React(ctx, id, seq, "👍"))
	require.NoError(t, bob.React(ctx, id, seq, "❤"))
	require.NoError(t, bob.Unreact(ctx, id, seq, "❤"))
	require.NoError(t, alice.Pin(ctx, id, seq))
	m, err := bob.Message(ctx, id, seq)
	require.NoError(t, err)
	require.Equal(t, "see you on Monday", client.TextOf(m.Content))
	require.Equal(t, []client.UserID{"bob"}, m.Mentions)
	require.True(t, m.Pinned)
	reactions := collect(t, alice.Reactions(ctx, id, seq))
	require.Len(t, reactions, 1)
	require.Equal(t, client.UserID("bob"), reactions[0].UserID)
	pins := collect(t, bob.Pins(ctx, id))
	require.Len(t, pins, 1)
	require.Equal(t, client.UserID("alice"), pins[0].PinnedBy)
	require.NoError(t, alice.Unpin(ctx, id, seq))

	page, err := bob.Messages(ctx, id, client.Range{After: seq - 1, Limit: 1})
	require.NoError(t, err)
	require.Len(t, page.Messages, 1)
	_, err = bob.Messages(ctx, id, client.Range{Limit: bob.Limits().PageEvents + 1})
	require.ErrorIs(t, err, client.ErrInvalid)
	eventually.True(t, "the message is found", func() bool {
		found := collect(t, bob.Search(ctx, client.Query{
			Text: "monday", ConversationID: id, Sender: "alice", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour),
		}))
		return len(found) == 1 && found[0].Seq == seq && len(found[0].Highlights) == 1
	})
	require.NoError(t, alice.Edit(ctx, id, seq, client.Text("see you"), []client.UserID{}...))
	m, err = bob.Message(ctx, id, seq)
	require.NoError(t, err)
	require.Empty(t, m.Mentions)
	require.NoError(t, alice.Recall(ctx, id, seq, "wrong window"))
	require.ErrorIs(t, alice.Edit(ctx, id, seq, client.Text("x")), client.ErrConflict)
}

func testUserCalls(t *testing.T, alice *client.Client) {
	ctx := t.Context()
	require.NoError(t, alice.Block(ctx, "mallory"))
	blocks := collect(t, alice.Blocks(ctx))
	require.Len(t, blocks, 1)
	require.Equal(t, domain.UserID("mallory"), blocks[0].UserID)
	require.NoError(t, alice.Unblock(ctx, "mallory"))
	require.Empty(t, collect(t, alice.Blocks(ctx)))

	_, err := alice.Profiles(ctx, "bob")
	require.NoError(t, err)
	presence, err := alice.Presence(ctx, "bob", "stranger")
	require.NoError(t, err)
	require.Len(t, presence, 2)
	sessions := collect(t, alice.Sessions(ctx))
	require.Len(t, sessions, 1)
	direct, err := alice.Direct(ctx, "bob")
	require.NoError(t, err)
	require.Equal(t, domain.UserID("bob"), direct.Peer)
}
