package domain_test

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
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/domain/domaintest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a text with testdata/<name>.golden.json, which has a newline at the
// end besides.
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

// TestGoldenEvents compares the encoding of each event, which is stored and delivered.
// Stored events stay as they are, so files may be added here, but never changed.
func TestGoldenEvents(t *testing.T) {
	seen := map[domain.EventType]bool{}
	for name, e := range decided(t) {
		e.ConversationID, e.Seq, e.Sender, e.At = groupID, 42, "olga", domain.TimeOf(testTime)
		switch e.Type {
		case domain.ConversationCreated:
			e.Seq = 1
		case domain.MessagePosted:
			e.ClientMsgID = "c-1"
		}
		encoded := e.AppendJSON(nil)
		golden(t, name, encoded)
		var back domain.Event
		require.NoError(t, json.Unmarshal(encoded, &back), name)
		require.Equal(t, e, back, name)
		seen[e.Type] = true
	}
	for _, kind := range eventTypes(t) {
		require.True(t, seen[kind], "%s has no golden file", kind)
	}
}

// decided returns events that commands decide, by the names of their golden files.
func decided(t *testing.T) map[string]domain.Event {
	t.Helper()
	events := map[string]domain.Event{}
	olga := domain.Actor{User: "olga"}
	do := func(name string, change func(context.Context, *domain.Chat) ([]domain.Event, error)) {
		chat, log := newChat(t)
		id, err := domain.ParseAttachmentID("", "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f")
		require.NoError(t, err)
		log.SetAttachment(domain.Attachment{ID: id, Owner: "olga", State: domain.AttachmentReady})
		for seq := int64(2); seq < 42; seq++ {
			body := domain.PostedBody{Content: text("hi")}
			if seq == target {
				body.Mentions = []domain.UserID{"mia", domain.Everyone}
			}
			log.Append(groupID, domaintest.NewDraft(domain.MessagePosted, "olga", body))
		}
		log.Append(groupID, domaintest.NewDraft(domain.ReactionAdded, "olga", domain.ReactionBody{TargetSeq: target, Emoji: "❤️"}))
		made, err := change(t.Context(), chat)
		require.NoError(t, err, name)
		require.Len(t, made, 1, name)
		events[name] = made[0]
	}
	title, link := `Release "2" <b>é`, "https://example.org/a.png"
	metadata := json.RawMessage(`{"ticket": 7}`)
	do("conversation.updated", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.Update(ctx, olga, groupID, domain.Changes{
			Title: domain.Field[string]{true, &title}, AvatarURL: domain.Field[string]{true, &link},
			Settings: &domain.SettingsPatch{Posting: new(domain.PostingAdmins)}, Metadata: domain.Field[json.RawMessage]{true, &metadata},
		})
	})
	do("member.added", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.PutMember(ctx, olga, groupID, "carol", domain.RoleAdmin)
	})
	do("member.role_changed", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.PutMember(ctx, olga, groupID, "mia", domain.RoleAdmin)
	})
	do("member.removed", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.RemoveMember(ctx, olga, groupID, "mia")
	})
	until := new(domain.TimeOf(testTime.Add(time.Hour)))
	do("member.banned", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.Ban(ctx, olga, groupID, "eve", until, `"spam"`)
	})
	do("member.banned-for-good", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.Ban(ctx, olga, groupID, "eve", nil, "")
	})
	do("member.unbanned", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		if _, err := c.Ban(ctx, olga, groupID, "eve", nil, ""); err != nil {
			return nil, err
		}
		return c.Unban(ctx, olga, groupID, "eve")
	})
	do("member.muted", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		return c.Mute(ctx, olga, groupID, "mia", until)
	})
	do("member.unmuted", func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
		if _, err := c.Mute(ctx, olga, groupID, "mia", nil); err != nil {
			return nil, err
		}
		return c.Unmute(ctx, olga, groupID, "mia")
	})
	for name, p := range postings() {
		p.ConversationID, p.ClientMsgID = groupID, "c-1"
		do("message.posted-"+name, func(_ context.Context, c *domain.Chat) ([]domain.Event, error) {
			sent, err := send(c, olga, p)
			return []domain.Event{sent.Event}, err
		})
	}
	for name, change := range changesOfMessages() {
		do(name, change)
	}
	edited := events["message.edited"]
	events["message.edited-below-floor"] = edited.Redacted(edited.EditOf())
	for name, creation := range map[string]domain.Creation{
		"group":  {Kind: domain.Group, Members: []domain.UserID{"mia", "bob"}, Title: &title, AvatarURL: &link, Metadata: metadata},
		"direct": {Kind: domain.Direct, Members: []domain.UserID{"mia"}},
	} {
		chat, log := newChat(t)
		id, _, err := chat.Create(t.Context(), olga, creation)
		require.NoError(t, err)
		events["conversation.created-"+name] = log.EventsOf(id)[0]
	}
	body, err := json.Marshal(domain.UpdatedBody{Title: domain.Field[string]{Set: true}, AvatarURL: domain.Field[string]{Set: true}, Metadata: domain.Field[json.RawMessage]{Set: true}})
	require.NoError(t, err)
	events["conversation.updated-cleared"] = domain.Event{Type: domain.ConversationUpdated, Body: body}
	return events
}

// changesOfMessages are commands on the message of the test's log.
func changesOfMessages() map[string]func(context.Context, *domain.Chat) ([]domain.Event, error) {
	type made = func(context.Context, *domain.Chat) ([]domain.Event, error)
	olga := domain.Actor{User: "olga"}
	return map[string]made{
		"message.edited": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.EditMessage(ctx, olga, groupID, target, domain.Edit{Content: json.RawMessage(`{ "type": "text", "text": "<b>" }`), Mentions: []domain.UserID{"mia"}})
		},
		"message.edited-mentions-kept": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.EditMessage(ctx, olga, groupID, target, domain.Edit{Content: text("é")})
		},
		"message.recalled": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.RecallMessage(ctx, olga, groupID, target, "")
		},
		"message.recalled-why": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.RecallMessage(ctx, olga, groupID, target, "deleted for everyone")
		},
		"reaction.added": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.React(ctx, olga, groupID, target, "👍")
		},
		"reaction.removed": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.Unreact(ctx, olga, groupID, target, "❤️")
		},
		"message.pinned": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			return c.Pin(ctx, olga, groupID, target)
		},
		"message.unpinned": func(ctx context.Context, c *domain.Chat) ([]domain.Event, error) {
			if _, err := c.Pin(ctx, olga, groupID, target); err != nil {
				return nil, err
			}
			return c.Unpin(ctx, olga, groupID, target)
		},
	}
}

// postings has one posting for each type of content, and one with all optional members.
func postings() map[string]domain.Post {
	return map[string]domain.Post{
		"text": {Content: text(`<b> & "世界" 😀`)},
		"full": {
			Content: json.RawMessage(`{ "type": "text", "text": "@mia" }`), ReplyTo: new(int64(41)),
			Mentions: []domain.UserID{"mia", domain.Everyone}, Metadata: json.RawMessage(`{"a": [1.0]}`),
		},
		"image": {Content: json.RawMessage(`{"type":"image","url":"https://example.org/cat.png","text":"My cat",` +
			`"name":"cat.png","size":73012,"mime":"image/png","width":640,"height":480,"preview":"LEHV6nWB2yk8"}`)},
		"file":   {Content: json.RawMessage(`{"type":"file","attachment_id":"0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f","name":"plan.pdf"}`)},
		"audio":  {Content: json.RawMessage(`{"type":"audio","url":"https://example.org/note.ogg","duration_ms":4200}`)},
		"video":  {Content: json.RawMessage(`{"type":"video","url":"https://example.org/cat.mp4","width":640,"height":480,"duration_ms":9000}`)},
		"custom": {Content: json.RawMessage(`{"type":"custom","biz_type":"order","data":{"order_id":7}}`)},
	}
}

// eventTypes returns the constants of type EventType, from the source.
func eventTypes(t *testing.T) []domain.EventType {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	require.NoError(t, err)
	var types []domain.EventType
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventType" {
			for _, value := range spec.Values {
				name, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				types = append(types, domain.EventType(name))
			}
		}
		return true
	})
	require.Greater(t, len(types), 5)
	return types
}
