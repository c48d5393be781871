package domain

import (
	"context"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
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
	require.NoError(t, err, "go test ./domain -update")
	require.Equal(t, string(want), string(got)+"\n")
}

// TestGoldenEvents: each event as it goes to the log and to everybody. What is
// in the log stays there: a file may be added here, but none may change.
func TestGoldenEvents(t *testing.T) {
	seen := map[EventType]bool{}
	for name, e := range decided(t) {
		e.ConversationID, e.Seq, e.Sender, e.At = groupID, 42, "olga", TimeOf(testTime)
		switch e.Type {
		case ConversationCreated:
			e.Seq = 1
		case MessagePosted:
			e.ClientMsgID = "c-1"
		}
		encoded := e.AppendJSON(nil)
		golden(t, name, encoded)
		var back Event
		require.NoError(t, json.Unmarshal(encoded, &back), name)
		require.Equal(t, e, back, name)
		seen[e.Type] = true
	}
	for _, kind := range eventTypes(t) {
		require.True(t, seen[kind], "%s has no golden file", kind)
	}
}

// decided are the events that commands make, by the names of their files.
func decided(t *testing.T) map[string]Event {
	t.Helper()
	events := map[string]Event{}
	olga := Actor{User: "olga"}
	do := func(name string, change func(context.Context, *Chat) ([]Event, error)) {
		chat, log := newChat()
		log.group.LoadMessage(&MessageState{
			Seq: target, Sender: "olga", Content: text("hi"), Mentions: []UserID{"mia", Everyone}, Revision: target,
			Reactions: map[Reactor]bool{{"olga", "❤️"}: true},
		})
		made, err := change(t.Context(), chat)
		require.NoError(t, err, name)
		require.Len(t, made, 1, name)
		events[name] = made[0]
	}
	title, link := `Release "2" <b>é`, "https://example.org/a.png"
	metadata := json.RawMessage(`{"ticket": 7}`)
	do("conversation.updated", func(ctx context.Context, c *Chat) ([]Event, error) {
		return c.Update(ctx, olga, groupID, Changes{
			Title: Field[string]{true, &title}, AvatarURL: Field[string]{true, &link},
			Settings: &SettingsPatch{Posting: new(PostingAdmins)}, Metadata: Field[json.RawMessage]{true, &metadata},
		})
	})
	do("member.added", func(ctx context.Context, c *Chat) ([]Event, error) {
		return c.PutMember(ctx, olga, groupID, "carol", RoleAdmin)
	})
	do("member.role_changed", func(ctx context.Context, c *Chat) ([]Event, error) {
		return c.PutMember(ctx, olga, groupID, "mia", RoleAdmin)
	})
	do("member.removed", func(ctx context.Context, c *Chat) ([]Event, error) {
		return c.RemoveMember(ctx, olga, groupID, "mia")
	})
	for name, p := range postings() {
		p.ConversationID, p.ClientMsgID = groupID, "c-1"
		do("message.posted-"+name, func(_ context.Context, c *Chat) ([]Event, error) {
			sent, err := send(c, olga, p)
			return []Event{sent.Event}, err
		})
	}
	for name, change := range changesOfMessages() {
		do(name, change)
	}
	edited := events["message.edited"]
	events["message.edited-below-floor"] = edited.WithoutContent(edited.EditOf())
	for name, creation := range map[string]Creation{
		"group":  {Kind: Group, Members: []UserID{"mia", "bob"}, Title: &title, AvatarURL: &link, Metadata: metadata},
		"direct": {Kind: Direct, Members: []UserID{"mia"}},
	} {
		body, err := json.Marshal(creation.decide("olga", testTime).Created)
		require.NoError(t, err)
		events["conversation.created-"+name] = Event{Type: ConversationCreated, Body: body}
	}
	body, err := json.Marshal(UpdatedBody{Title: Field[string]{Set: true}, AvatarURL: Field[string]{Set: true}, Metadata: Field[json.RawMessage]{Set: true}})
	require.NoError(t, err)
	events["conversation.updated-cleared"] = Event{Type: ConversationUpdated, Body: body}
	return events
}

// changesOfMessages are about one that the log of the test knows.
func changesOfMessages() map[string]func(context.Context, *Chat) ([]Event, error) {
	type made = func(context.Context, *Chat) ([]Event, error)
	olga := Actor{User: "olga"}
	return map[string]made{
		"message.edited": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.EditMessage(ctx, olga, groupID, target, Edit{Content: json.RawMessage(`{ "type": "text", "text": "<b>" }`), Mentions: []UserID{"mia"}})
		},
		"message.edited-mentions-kept": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.EditMessage(ctx, olga, groupID, target, Edit{Content: text("é")})
		},
		"message.recalled": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.RecallMessage(ctx, olga, groupID, target, "")
		},
		"message.recalled-why": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.RecallMessage(ctx, olga, groupID, target, "deleted for everyone")
		},
		"reaction.added": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.React(ctx, olga, groupID, target, "👍")
		},
		"reaction.removed": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.Unreact(ctx, olga, groupID, target, "❤️")
		},
		"message.pinned": func(ctx context.Context, c *Chat) ([]Event, error) {
			return c.Pin(ctx, olga, groupID, target)
		},
		"message.unpinned": func(ctx context.Context, c *Chat) ([]Event, error) {
			if _, err := c.Pin(ctx, olga, groupID, target); err != nil {
				return nil, err
			}
			return c.Unpin(ctx, olga, groupID, target)
		},
	}
}

// postings are one of each type of content, and one with all there is beside it.
func postings() map[string]Post {
	return map[string]Post{
		"text": {Content: text(`<b> & "世界" 😀`)},
		"full": {
			Content: json.RawMessage(`{ "type": "text", "text": "@mia" }`), ReplyTo: new(int64(41)),
			Mentions: []UserID{"mia", Everyone}, Metadata: json.RawMessage(`{"a": [1.0]}`),
		},
		"image": {Content: json.RawMessage(`{"type":"image","url":"https://example.org/cat.png","text":"My cat",` +
			`"name":"cat.png","size":73012,"mime":"image/png","width":640,"height":480,"preview":"LEHV6nWB2yk8"}`)},
		"file":   {Content: json.RawMessage(`{"type":"file","attachment_id":"a-7","name":"plan.pdf"}`)},
		"audio":  {Content: json.RawMessage(`{"type":"audio","url":"https://example.org/note.ogg","duration_ms":4200}`)},
		"video":  {Content: json.RawMessage(`{"type":"video","url":"https://example.org/cat.mp4","width":640,"height":480,"duration_ms":9000}`)},
		"custom": {Content: json.RawMessage(`{"type":"custom","biz_type":"order","data":{"order_id":7}}`)},
	}
}

// eventTypes reads the constants of type EventType from the source.
func eventTypes(t *testing.T) []EventType {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	require.NoError(t, err)
	var types []EventType
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventType" {
			for _, value := range spec.Values {
				name, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				types = append(types, EventType(name))
			}
		}
		return true
	})
	require.Greater(t, len(types), 5)
	return types
}
