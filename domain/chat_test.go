package domain

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// memoryLog decides on one group, and records the conversations it is to create.
type memoryLog struct {
	group     *Conversation
	direct    map[string]ConversationID
	submitted int
	created   []NewConversation
}

func (l *memoryLog) Submit(_ context.Context, cmd Command, done func(Outcome, error)) {
	l.submitted++
	drafts, err := cmd.Decide(l.group)
	var o Outcome
	for _, d := range drafts {
		l.group.Apply(d, l.group.Head+1)
		o.Events = append(o.Events, Event{ConversationID: cmd.Target(), Seq: l.group.Head, Type: d.Type, Body: d.Body})
	}
	done(o, err)
}

func (l *memoryLog) Create(_ context.Context, n NewConversation) (ConversationID, bool, error) {
	l.created = append(l.created, n)
	return n.ID, true, nil
}

func (l *memoryLog) FindDirect(_ context.Context, key string) (ConversationID, error) {
	if id, ok := l.direct[key]; ok {
		return id, nil
	}
	return ConversationID{}, ErrNotFound
}

func newChat() (*Chat, *memoryLog) {
	log := &memoryLog{group: group(owner("olga"), member("mia")).conversation, direct: map[string]ConversationID{}}
	return NewChat(log, DefaultLimits()), log
}

func text(s string) json.RawMessage {
	quoted, _ := json.Marshal(s)
	return json.RawMessage(`{"type":"text","text":` + string(quoted) + `}`)
}

func send(c *Chat, a Actor, p Post) (sent Sent, err error) {
	c.Send(context.Background(), a, p, func(s Sent, e error) { sent, err = s, e })
	return sent, err
}

func TestSendRefusesBadInput(t *testing.T) {
	seq := func(n int64) *int64 { return &n }
	good := Post{ConversationID: groupID, ClientMsgID: "c", Content: text("hi")}
	cases := []struct {
		name    string
		change  func(*Post)
		want    *Error
		pointer string
	}{
		{"no target", func(p *Post) { p.ConversationID = ConversationID{} }, ErrInvalid, "/conversation_id"},
		{"two targets", func(p *Post) { p.To = "bob" }, ErrInvalid, "/conversation_id"},
		{"to an invalid id", func(p *Post) { p.ConversationID, p.To = ConversationID{}, "a b" }, ErrInvalid, "/to"},
		{"to the sender", func(p *Post) { p.ConversationID, p.To = ConversationID{}, "mia" }, ErrInvalid, "/to"},
		{"no client id", func(p *Post) { p.ClientMsgID = "" }, ErrInvalid, "/client_msg_id"},
		{"client id of 65", func(p *Post) { p.ClientMsgID = strings.Repeat("x", 65) }, ErrInvalid, "/client_msg_id"},
		{"no content", func(p *Post) { p.Content = nil }, ErrInvalid, "/content"},
		{"content too large", func(p *Post) { p.Content = text(strings.Repeat("x", 32_768)) }, ErrTooLarge, "/content"},
		{"content without a type", func(p *Post) { p.Content = json.RawMessage(`{"text":"x"}`) }, ErrInvalid, "/content/type"},
		{"content not an object", func(p *Post) { p.Content = json.RawMessage(`[1]`) }, ErrInvalid, "/content"},
		{"unknown type", func(p *Post) { p.Content = json.RawMessage(`{"type":"poll"}`) }, ErrInvalid, "/content/type"},
		{"unknown field", func(p *Post) { p.Content = json.RawMessage(`{"type":"text","text":"x","colour":1}`) }, ErrInvalid, "/content/colour"},
		{"empty text", func(p *Post) { p.Content = text("") }, ErrInvalid, "/content/text"},
		{"text is a number", func(p *Post) { p.Content = json.RawMessage(`{"type":"text","text":1}`) }, ErrInvalid, "/content/text"},
		{"NUL", func(p *Post) { p.Content = json.RawMessage(`{"type":"text","text":"\u0000"}`) }, ErrInvalid, "/content/text"},
		{"unpaired surrogate", func(p *Post) { p.Content = json.RawMessage(`{"type":"text","text":"\ud800"}`) }, ErrInvalid, "/content/text"},
		{"image without source", func(p *Post) { p.Content = json.RawMessage(`{"type":"image"}`) }, ErrInvalid, "/content/url"},
		{"image with two", func(p *Post) { p.Content = json.RawMessage(`{"type":"image","url":"u","attachment_id":"a"}`) }, ErrInvalid, "/content/url"},
		{"negative width", func(p *Post) { p.Content = json.RawMessage(`{"type":"image","url":"u","width":-1}`) }, ErrInvalid, "/content/width"},
		{"fractional size", func(p *Post) { p.Content = json.RawMessage(`{"type":"file","url":"u","size":1.5}`) }, ErrInvalid, "/content/size"},
		{"custom without biz_type", func(p *Post) { p.Content = json.RawMessage(`{"type":"custom","data":1}`) }, ErrInvalid, "/content/biz_type"},
		{"custom without data", func(p *Post) { p.Content = json.RawMessage(`{"type":"custom","biz_type":"x"}`) }, ErrInvalid, "/content/data"},
		{"reply to 0", func(p *Post) { p.ReplyTo = seq(0) }, ErrInvalid, "/reply_to"},
		{"reply to -1", func(p *Post) { p.ReplyTo = seq(-1) }, ErrInvalid, "/reply_to"},
		{"mention of an invalid id", func(p *Post) { p.Mentions = []UserID{"mia", ""} }, ErrInvalid, "/mentions/1"},
		{"metadata not an object", func(p *Post) { p.Metadata = json.RawMessage(`1`) }, ErrInvalid, "/metadata"},
		{"metadata too large", func(p *Post) { p.Metadata = json.RawMessage(`{"x":"` + strings.Repeat("x", 4096) + `"}`) }, ErrInvalid, "/metadata"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chat, log := newChat()
			p := good
			c.change(&p)
			_, err := send(chat, Actor{User: "mia"}, p)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want.Code, e.Code)
			require.Contains(t, e.Fields, c.pointer)
			require.Zero(t, log.submitted, "nothing reaches the log")
			require.Empty(t, log.created)
		})
	}
}

func TestSendAcceptsEveryContentType(t *testing.T) {
	for _, content := range []string{
		`{"type":"text","text":"hello 世界 😀"}`,
		`{"type":"image","url":"https://example.org/a.png","text":"caption","name":"a.png","size":1,"mime":"image/png","width":2,"height":3,"preview":"x"}`,
		`{"type":"file","attachment_id":"0198"}`,
		`{"type":"audio","url":"u","duration_ms":5}`,
		`{"type":"video","url":"u","duration_ms":5,"width":1,"height":1}`,
		`{"type":"custom","biz_type":"order","data":{"id":[1,2,null]}}`,
	} {
		chat, _ := newChat()
		sent, err := send(chat, Actor{User: "mia"}, Post{ConversationID: groupID, ClientMsgID: "c", Content: json.RawMessage(content)})
		require.NoError(t, err, content)
		require.Equal(t, `{"content":`+content+`}`, string(sent.Event.Body), "the sender's bytes are kept")
	}
}

func TestSendToUser(t *testing.T) {
	p := Post{To: "bob", ClientMsgID: "c", Content: text("hi")}

	t.Run("creates the direct conversation", func(t *testing.T) {
		chat, log := newChat()
		_, err := send(chat, Actor{User: "alice"}, p)
		require.True(t, errors.Is(err, ErrNotFound), "the log of this test does not have the new conversation")
		require.Len(t, log.created, 1)
		require.Equal(t, DirectKey("bob", "alice"), log.created[0].DirectKey)
		require.Equal(t, []MemberRole{member("alice"), member("bob")}, log.created[0].Created.Members)
	})
	t.Run("not if the message would be refused", func(t *testing.T) {
		one := int64(1)
		for _, bad := range []Post{
			{To: "bob", ClientMsgID: "c", Content: text("hi"), Mentions: []UserID{"carol"}},
			{To: "bob", ClientMsgID: "c", Content: text("hi"), Mentions: []UserID{Everyone}},
			{To: "bob", ClientMsgID: "c", Content: text("hi"), ReplyTo: &one},
		} {
			chat, log := newChat()
			_, err := send(chat, Actor{User: "alice"}, bad)
			require.ErrorIs(t, err, ErrInvalid)
			require.Empty(t, log.created)
		}
	})
	t.Run("uses an existing one", func(t *testing.T) {
		chat, log := newChat()
		log.direct[DirectKey("alice", "bob")] = groupID
		_, _ = send(chat, Actor{User: "alice"}, p)
		require.Empty(t, log.created)
		require.Equal(t, 1, log.submitted)
	})
}

func TestCreateRefusesBadInput(t *testing.T) {
	name, admins, wrong := "x", PostingAdmins, "wrong"
	long := strings.Repeat("é", 201)
	cases := map[string]struct {
		creation Creation
		want     *Error
		pointer  string
	}{
		"no kind":                 {Creation{}, ErrInvalid, "/kind"},
		"direct with no user":     {Creation{Kind: Direct}, ErrInvalid, "/members"},
		"direct with two":         {Creation{Kind: Direct, Members: []UserID{"a", "b"}}, ErrInvalid, "/members"},
		"direct with the creator": {Creation{Kind: Direct, Members: []UserID{"mia"}}, ErrInvalid, "/members/0"},
		"direct with a title":     {Creation{Kind: Direct, Members: []UserID{"a"}, Title: &name}, ErrInvalid, "/title"},
		"direct with settings":    {Creation{Kind: Direct, Members: []UserID{"a"}, Settings: &SettingsPatch{Posting: &admins}}, ErrInvalid, "/settings"},
		"title of 201":            {Creation{Kind: Group, Title: &long}, ErrInvalid, "/title"},
		"a bad member":            {Creation{Kind: Group, Members: []UserID{"a", ".."}}, ErrInvalid, "/members/1"},
		"members_per_call":        {Creation{Kind: Group, Members: make([]UserID, 501)}, ErrInvalid, "/members"},
		"joining":                 {Creation{Kind: Group, Settings: &SettingsPatch{Joining: &wrong}}, ErrInvalid, "/settings/joining"},
		"history":                 {Creation{Kind: Group, Settings: &SettingsPatch{History: &wrong}}, ErrInvalid, "/settings/history"},
		"metadata":                {Creation{Kind: Group, Metadata: json.RawMessage(`[]`)}, ErrInvalid, "/metadata"},
		"client id":               {Creation{Kind: Group, ClientConversationID: strings.Repeat("x", 65)}, ErrInvalid, "/client_conversation_id"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			chat, log := newChat()
			_, _, err := chat.Create(context.Background(), Actor{User: "mia"}, c.creation)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want.Code, e.Code)
			require.Contains(t, e.Fields, c.pointer)
			require.Empty(t, log.created)
		})
	}
}

func TestCreateGroup(t *testing.T) {
	chat, log := newChat()
	_, created, err := chat.Create(context.Background(), Actor{User: "mia"},
		Creation{Kind: Group, Members: []UserID{"zoe", "bob", "bob", "mia"}})
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, []MemberRole{owner("mia"), member("bob"), member("zoe")}, log.created[0].Created.Members)
}

func TestPostingHash(t *testing.T) {
	hash := func(p Post) [32]byte { return newPostMessage(Actor{User: "mia"}, p).draft[0].Hash }
	base := Post{Content: text("hi"), Metadata: json.RawMessage(`{"a":1,"b":[true,null]}`)}

	same := base
	same.Content = json.RawMessage(` { "text" : "\u0068i", "type":"text" }`)
	same.Metadata = json.RawMessage(`{"b":[true,null],"a":1.0e0}`)
	require.Equal(t, hash(base), hash(same))

	one := int64(1)
	for name, change := range map[string]func(*Post){
		"content":  func(p *Post) { p.Content = text("ho") },
		"reply_to": func(p *Post) { p.ReplyTo = &one },
		"mentions": func(p *Post) { p.Mentions = []UserID{"bob"} },
		"metadata": func(p *Post) { p.Metadata = json.RawMessage(`{"a":2,"b":[true,null]}`) },
	} {
		other := base
		change(&other)
		require.NotEqual(t, hash(base), hash(other), name)
	}
}
