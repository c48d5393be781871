package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"im/client"
	"im/test/imtest"
)

// connect runs a client of a user until stop is called.
func connect(server *imtest.Server, user string, o client.Options) (c *client.Client, stop func()) {
	o.URLs, o.Token = []string{server.URL}, client.Token(user)
	c, err := client.New(o)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	if err := c.Synced(ctx); err != nil {
		log.Fatal(err)
	}
	return c, func() {
		cancel()
		if err := <-ended; err != nil {
			log.Fatal(err)
		}
	}
}

// A bot that answers every message.
func Example() {
	server := imtest.New() // in place of a real node
	defer server.Close()

	bot, stop := connect(server, "bot", client.Options{
		OnEvent: func(ctx context.Context, c *client.Client, e client.Event) error {
			m, ok := client.MessageOf(e)
			if !ok || e.Sender == c.User() {
				return nil
			}
			_, err := c.Send(ctx, client.Post{
				ConversationID: e.ConversationID,
				Content:        client.Text("You said: " + client.TextOf(m.Content)),
			})
			return err
		},
	})
	defer stop()

	texts := make(chan string, 2)
	alice, stop := connect(server, "alice", client.Options{
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			if m, ok := client.MessageOf(e); ok {
				texts <- fmt.Sprintf("%s: %s", e.Sender, client.TextOf(m.Content))
			}
			return nil
		},
	})
	defer stop()
	if _, err := alice.Send(context.Background(), client.Post{To: bot.User(), Content: client.Text("hello")}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-texts)
	fmt.Println(<-texts)
	// Output:
	// alice: hello
	// bot: You said: hello
}

// A content is a JSON object with a type; plain texts have a function.
func ExampleText() {
	content := client.Text("hello")
	fmt.Println(string(content))
	fmt.Println(client.TextOf(content))
	// Output:
	// {"type":"text","text":"hello"}
	// hello
}

// The same ClientMsgID is the same message, however often it is sent.
func ExampleClient_Send() {
	server := imtest.New()
	defer server.Close()
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	post := client.Post{To: "bob", Content: client.Text("hello"), ClientMsgID: "greeting"}
	for range 2 {
		sent, err := alice.Send(context.Background(), post)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sent.Seq, sent.Duplicate)
	}
	// Output:
	// 2 false
	// 2 true
}

// Refusals are matched by code.
func ExampleError() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob", "carol")
	seq := server.Post(id, "bob", "hello")
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	err := alice.Edit(context.Background(), id, seq, client.Text("not mine"))
	fmt.Println(errors.Is(err, client.ErrForbidden))
	var refusal *client.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code, refusal.Retry())
	}
	// Output:
	// true
	// forbidden never
}

// History is read in pages, backwards.
func ExampleClient_Messages() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	for _, text := range []string{"one", "two", "three"} {
		server.Post(id, "bob", text)
	}
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	r := client.Range{Limit: 2} // the newest
	for {
		page, err := alice.Messages(context.Background(), id, r)
		if err != nil {
			log.Fatal(err)
		}
		for _, m := range page.Messages {
			fmt.Println(m.Seq, client.TextOf(m.Content))
		}
		if !page.HasMoreBefore {
			return
		}
		r.Before = page.Messages[0].Seq
	}
	// Output:
	// 3 two
	// 4 three
	// 2 one
}

// Messages are edited and recalled by their seq.
func ExampleClient_Edit() {
	server := imtest.New()
	defer server.Close()
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	ctx := context.Background()
	sent, err := alice.Send(ctx, client.Post{To: "bob", Content: client.Text("helo")})
	if err != nil {
		log.Fatal(err)
	}
	show := func() {
		m, err := alice.Message(ctx, sent.ConversationID, sent.Seq)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q edited: %t, recalled: %t\n", client.TextOf(m.Content), m.EditedAt != nil, m.Recalled)
	}
	if err := alice.Edit(ctx, sent.ConversationID, sent.Seq, client.Text("hello")); err != nil {
		log.Fatal(err)
	}
	show()
	if err := alice.Recall(ctx, sent.ConversationID, sent.Seq, "wrong window"); err != nil {
		log.Fatal(err)
	}
	show()
	// Output:
	// "hello" edited: true, recalled: false
	// "" edited: true, recalled: true
}

// A message has the counts of its reactions; Reactions has the users.
func ExampleClient_React() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	seq := server.Post(id, "bob", "hello")
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	ctx := context.Background()
	if err := alice.React(ctx, id, seq, "👍"); err != nil {
		log.Fatal(err)
	}
	m, err := alice.Message(ctx, id, seq)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Reactions[0].Emoji, m.Reactions[0].Count, m.Reactions[0].Mine)
	for r, err := range alice.Reactions(ctx, id, seq) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.UserID, r.Emoji)
	}
	// Output:
	// 👍 1 true
	// alice 👍
}

// The pinned messages of a conversation, the last pinned first.
func ExampleClient_Pins() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	rules, agenda := server.Post(id, "bob", "the rules"), server.Post(id, "bob", "the agenda")
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	ctx := context.Background()
	for _, seq := range []int64{rules, agenda} {
		if err := alice.Pin(ctx, id, seq); err != nil {
			log.Fatal(err)
		}
	}
	for p, err := range alice.Pins(ctx, id) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(client.TextOf(p.Content), "pinned by", p.PinnedBy)
	}
	// Output:
	// the agenda pinned by alice
	// the rules pinned by alice
}

// Search iterates over all that it finds, a page at a time.
func ExampleClient_Search() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	server.Post(id, "bob", "release on Friday")
	server.Post(id, "bob", "lunch?")
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	for m, err := range alice.Search(context.Background(), client.Query{Text: "friday"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Seq, client.TextOf(m.Content))
	}
	// Output:
	// 2 release on Friday
}

// A group: its creator is the owner.
func ExampleClient_CreateGroup() {
	server := imtest.New()
	defer server.Close()
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	ctx := context.Background()
	group, err := alice.CreateGroup(ctx, client.NewGroup{Title: "Release", Members: []client.UserID{"bob"}})
	if err != nil {
		log.Fatal(err)
	}
	if err := alice.AddMembers(ctx, group.ConversationID, "carol"); err != nil {
		log.Fatal(err)
	}
	if err := alice.SetRole(ctx, group.ConversationID, "bob", client.RoleAdmin); err != nil {
		log.Fatal(err)
	}
	for m, err := range alice.Members(ctx, group.ConversationID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.UserID, m.Role)
	}
	// Output:
	// alice owner
	// bob admin
	// carol member
}

// Conversations has the unread messages of each conversation.
func ExampleClient_MarkRead() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	server.Post(id, "bob", "one")
	server.Post(id, "bob", "two")
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	for _, c := range alice.Conversations() {
		fmt.Println(c.Peer, c.UnreadCount)
	}
	state, err := alice.MarkRead(context.Background(), id, 2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.ReadSeq, state.UnreadCount)
	// Output:
	// bob 2
	// 2 1
}

// Preferences are the user's own; only what is set changes.
func ExampleClient_SetPreferences() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	alice, stop := connect(server, "alice", client.Options{})
	defer stop()

	pinned := true
	preferences, err := alice.SetPreferences(context.Background(), id, client.PreferencesChange{Pinned: &pinned})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(preferences.Notify, preferences.Pinned, preferences.Archived)
	// Output:
	// all true false
}

// Signals are what no log keeps: typing, presence, receipts and notices.
func ExampleClient_Watch() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	bob, stop := connect(server, "bob", client.Options{})
	defer stop()
	signals := make(chan client.Signal, 2)
	alice, stop := connect(server, "alice", client.Options{
		OnSignal: func(_ context.Context, _ *client.Client, s client.Signal) { signals <- s },
	})
	defer stop()

	ctx := context.Background()
	if err := alice.Watch(ctx, "bob"); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		switch s := (<-signals).(type) {
		case client.Presence:
			fmt.Println(s.UserID, "is online:", *s.Online)
			if err := bob.SetTyping(ctx, id, true); err != nil {
				log.Fatal(err)
			}
		case client.Typing:
			fmt.Println(s.UserID, "is typing:", s.On)
		}
	}
	// Output:
	// bob is online: true
	// bob is typing: true
}

// With a FileStore, a device continues where it was, also after a restart.
func ExampleNewFileStore() {
	server := imtest.New()
	defer server.Close()
	id := server.NewConversation("alice", "bob")
	folder, err := os.MkdirTemp("", "im")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	for _, text := range []string{"before the restart", "after the restart"} {
		texts := make(chan string, 1)
		_, stop := connect(server, "alice", client.Options{
			Device: "laptop",
			Store:  client.NewFileStore(filepath.Join(folder, "positions.json")),
			OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
				if m, ok := client.MessageOf(e); ok {
					texts <- client.TextOf(m.Content)
				}
				return nil
			},
		})
		server.Post(id, "bob", text)
		fmt.Println(<-texts)
		stop()
	}
	// Output:
	// before the restart
	// after the restart
}
