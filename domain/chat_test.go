package domain_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/domain/domaintest"
)

var (
	groupID  = domain.ConversationID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}
	testTime = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
)

// target is the seq of the message that commands of these tests are on.
const target = 7

// testLog is a log with a group of olga (owner) and mia, that counts submitted
// commands.
type testLog struct {
	*domaintest.Log
	submitted int
}

func newChat(t *testing.T) (*domain.Chat, *testLog) {
	t.Helper()
	log := &testLog{Log: domaintest.NewLog()}
	_, _, err := log.Create(t.Context(), domain.NewConversation{
		ID: groupID, Creator: "olga",
		Created: domain.CreatedBody{
			Kind: domain.Group, Settings: domain.DefaultSettings(),
			Members: []domain.MemberRole{{UserID: "olga", Role: domain.RoleOwner}, {UserID: "mia", Role: domain.RoleMember}},
		},
	})
	require.NoError(t, err)
	log.Intercept(func(_ context.Context, method string) error {
		if method == "Submit" {
			log.submitted++
		}
		return nil
	})
	return domain.NewChat(log, domain.DefaultLimits()).WithUploads(uploaded{}), log
}

// uploaded is a storage that has what the log says.
type uploaded struct{}

// SettleAttachment implements domain.Uploads.
func (uploaded) SettleAttachment(context.Context, domain.UserID, domain.AttachmentID) error {
	return nil
}

func text(s string) json.RawMessage {
	quoted, _ := json.Marshal(s)
	return json.RawMessage(`{"type":"text","text":` + string(quoted) + `}`)
}

func member(u domain.UserID) domain.MemberRole {
	return domain.MemberRole{UserID: u, Role: domain.RoleMember}
}

// createdBody returns the body of a conversation's first event.
func createdBody(t *testing.T, log *testLog, id domain.ConversationID) (body domain.CreatedBody) {
	t.Helper()
	require.NoError(t, json.Unmarshal(log.EventsOf(id)[0].Body, &body))
	return body
}

func send(c *domain.Chat, a domain.Actor, p domain.Post) (sent domain.Sent, err error) {
	c.Send(context.Background(), a, p, func(s domain.Sent, e error) { sent, err = s, e })
	return sent, err
}

func TestSendRefusesBadInput(t *testing.T) {
	seq := func(n int64) *int64 { return &n }
	good := domain.Post{ConversationID: groupID, ClientMsgID: "c", Content: text("hi")}
	cases := []struct {
		name    string
		change  func(*domain.Post)
		want    *domain.Error
		pointer string
	}{
		{"no target", func(p *domain.Post) { p.ConversationID = domain.ConversationID{} }, domain.ErrInvalid, "/conversation_id"},
		{"two targets", func(p *domain.Post) { p.To = "bob" }, domain.ErrInvalid, "/conversation_id"},
		{"to an invalid id", func(p *domain.Post) { p.ConversationID, p.To = domain.ConversationID{}, "a b" }, domain.ErrInvalid, "/to"},
		{"to the sender", func(p *domain.Post) { p.ConversationID, p.To = domain.ConversationID{}, "mia" }, domain.ErrInvalid, "/to"},
		{"no client id", func(p *domain.Post) { p.ClientMsgID = "" }, domain.ErrInvalid, "/client_msg_id"},
		{"client id of 65", func(p *domain.Post) { p.ClientMsgID = strings.Repeat("x", 65) }, domain.ErrInvalid, "/client_msg_id"},
		{"no content", func(p *domain.Post) { p.Content = nil }, domain.ErrInvalid, "/content"},
		{"content too large", func(p *domain.Post) { p.Content = text(strings.Repeat("x", 32_768)) }, domain.ErrTooLarge, "/content"},
		{"content without a type", func(p *domain.Post) { p.Content = json.RawMessage(`{"text":"x"}`) }, domain.ErrInvalid, "/content/type"},
		{"content not an object", func(p *domain.Post) { p.Content = json.RawMessage(`[1]`) }, domain.ErrInvalid, "/content"},
		{"unknown type", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"poll"}`) }, domain.ErrInvalid, "/content/type"},
		{"unknown field", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"text","text":"x","colour":1}`) }, domain.ErrInvalid, "/content/colour"},
		{"empty text", func(p *domain.Post) { p.Content = text("") }, domain.ErrInvalid, "/content/text"},
		{"text is a number", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"text","text":1}`) }, domain.ErrInvalid, "/content/text"},
		{"NUL", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"text","text":"\u0000"}`) }, domain.ErrInvalid, "/content/text"},
		{"unpaired surrogate", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"text","text":"\ud800"}`) }, domain.ErrInvalid, "/content/text"},
		{"image without source", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"image"}`) }, domain.ErrInvalid, "/content/url"},
		{"image with two", func(p *domain.Post) {
			p.Content = json.RawMessage(`{"type":"image","url":"u","attachment_id":"0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"}`)
		}, domain.ErrInvalid, "/content/url"},
		{"negative width", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"image","url":"u","width":-1}`) }, domain.ErrInvalid, "/content/width"},
		{"fractional size", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"file","url":"u","size":1.5}`) }, domain.ErrInvalid, "/content/size"},
		{"custom without biz_type", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"custom","data":1}`) }, domain.ErrInvalid, "/content/biz_type"},
		{"custom without data", func(p *domain.Post) { p.Content = json.RawMessage(`{"type":"custom","biz_type":"x"}`) }, domain.ErrInvalid, "/content/data"},
		{"reply to 0", func(p *domain.Post) { p.ReplyTo = seq(0) }, domain.ErrInvalid, "/reply_to"},
		{"reply to -1", func(p *domain.Post) { p.ReplyTo = seq(-1) }, domain.ErrInvalid, "/reply_to"},
		{"mention of an invalid id", func(p *domain.Post) { p.Mentions = []domain.UserID{"mia", ""} }, domain.ErrInvalid, "/mentions/1"},
		{"metadata not an object", func(p *domain.Post) { p.Metadata = json.RawMessage(`1`) }, domain.ErrInvalid, "/metadata"},
		{"metadata too large", func(p *domain.Post) { p.Metadata = json.RawMessage(`{"x":"` + strings.Repeat("x", 4096) + `"}`) }, domain.ErrInvalid, "/metadata"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chat, log := newChat(t)
			p := good
			c.change(&p)
			_, err := send(chat, domain.Actor{User: "mia"}, p)
			var e *domain.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want.Code, e.Code)
			require.Contains(t, e.Fields, c.pointer)
			require.Zero(t, log.submitted, "nothing reaches the log")
			require.Len(t, log.IDs(), 1, "no conversation is created")
		})
	}
}

func TestSendAcceptsEveryContentType(t *testing.T) {
	for _, content := range []string{
		`{"type":"text","text":"hello 世界 😀"}`,
		`{"type":"image","url":"https://example.org/a.png","text":"caption","name":"a.png","size":1,"mime":"image/png","width":2,"height":3,"preview":"x"}`,
		`{"type":"file","attachment_id":"0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"}`,
		`{"type":"audio","url":"u","duration_ms":5}`,
		`{"type":"video","url":"u","duration_ms":5,"width":1,"height":1}`,
		`{"type":"custom","biz_type":"order","data":{"id":[1,2,null]}}`,
	} {
		chat, log := newChat(t)
		id, err := domain.ParseAttachmentID("", "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f")
		require.NoError(t, err)
		log.SetAttachment(domain.Attachment{ID: id, Owner: "mia", State: domain.AttachmentReady})
		sent, err := send(chat, domain.Actor{User: "mia"}, domain.Post{ConversationID: groupID, ClientMsgID: "c", Content: json.RawMessage(content)})
		require.NoError(t, err, content)
		require.Equal(t, `{"content":`+content+`}`, string(sent.Event.Body), "the sender's bytes are kept")
	}
}

func TestSendToUser(t *testing.T) {
	p := domain.Post{To: "bob", ClientMsgID: "c", Content: text("hi")}

	t.Run("creates the direct conversation", func(t *testing.T) {
		chat, log := newChat(t)
		sent, err := send(chat, domain.Actor{User: "alice"}, p)
		require.NoError(t, err)
		id, err := log.FindDirect(t.Context(), domain.DirectKey("bob", "alice"))
		require.NoError(t, err)
		require.Equal(t, id, sent.Event.ConversationID)
		require.Equal(t, []domain.MemberRole{member("alice"), member("bob")}, createdBody(t, log, id).Members)
	})
	t.Run("not if the message would be refused", func(t *testing.T) {
		one := int64(1)
		for _, bad := range []domain.Post{
			{To: "bob", ClientMsgID: "c", Content: text("hi"), Mentions: []domain.UserID{"carol"}},
			{To: "bob", ClientMsgID: "c", Content: text("hi"), Mentions: []domain.UserID{domain.Everyone}},
			{To: "bob", ClientMsgID: "c", Content: text("hi"), ReplyTo: &one},
		} {
			chat, log := newChat(t)
			_, err := send(chat, domain.Actor{User: "alice"}, bad)
			require.ErrorIs(t, err, domain.ErrInvalid)
			require.Len(t, log.IDs(), 1, "no conversation is created")
		}
	})
	t.Run("uses an existing one", func(t *testing.T) {
		chat, log := newChat(t)
		id, _, err := chat.Create(t.Context(), domain.Actor{User: "bob"}, domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"alice"}})
		require.NoError(t, err)
		sent, err := send(chat, domain.Actor{User: "alice"}, p)
		require.NoError(t, err)
		require.Equal(t, id, sent.Event.ConversationID)
		require.Len(t, log.IDs(), 2)
		require.Equal(t, 1, log.submitted)
	})
}

func TestCreateRefusesBadInput(t *testing.T) {
	name, admins, wrong := "x", domain.PostingAdmins, "wrong"
	long := strings.Repeat("é", 201)
	cases := map[string]struct {
		creation domain.Creation
		want     *domain.Error
		pointer  string
	}{
		"no kind":                 {domain.Creation{}, domain.ErrInvalid, "/kind"},
		"direct with no user":     {domain.Creation{Kind: domain.Direct}, domain.ErrInvalid, "/members"},
		"direct with two":         {domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"a", "b"}}, domain.ErrInvalid, "/members"},
		"direct with the creator": {domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"mia"}}, domain.ErrInvalid, "/members/0"},
		"direct with a title":     {domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"a"}, Title: &name}, domain.ErrInvalid, "/title"},
		"direct with settings":    {domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"a"}, Settings: &domain.SettingsPatch{Posting: &admins}}, domain.ErrInvalid, "/settings"},
		"title of 201":            {domain.Creation{Kind: domain.Group, Title: &long}, domain.ErrInvalid, "/title"},
		"a bad member":            {domain.Creation{Kind: domain.Group, Members: []domain.UserID{"a", ".."}}, domain.ErrInvalid, "/members/1"},
		"members_per_call":        {domain.Creation{Kind: domain.Group, Members: make([]domain.UserID, 501)}, domain.ErrInvalid, "/members"},
		"joining":                 {domain.Creation{Kind: domain.Group, Settings: &domain.SettingsPatch{Joining: &wrong}}, domain.ErrInvalid, "/settings/joining"},
		"history":                 {domain.Creation{Kind: domain.Group, Settings: &domain.SettingsPatch{History: &wrong}}, domain.ErrInvalid, "/settings/history"},
		"metadata":                {domain.Creation{Kind: domain.Group, Metadata: json.RawMessage(`[]`)}, domain.ErrInvalid, "/metadata"},
		"client id":               {domain.Creation{Kind: domain.Group, ClientConversationID: strings.Repeat("x", 65)}, domain.ErrInvalid, "/client_conversation_id"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			chat, log := newChat(t)
			_, _, err := chat.Create(context.Background(), domain.Actor{User: "mia"}, c.creation)
			var e *domain.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want.Code, e.Code)
			require.Contains(t, e.Fields, c.pointer)
			require.Len(t, log.IDs(), 1, "no conversation is created")
		})
	}
}

func TestCreateGroup(t *testing.T) {
	chat, log := newChat(t)
	id, created, err := chat.Create(context.Background(), domain.Actor{User: "mia"},
		domain.Creation{Kind: domain.Group, Members: []domain.UserID{"zoe", "bob", "bob", "mia"}})
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, []domain.MemberRole{{UserID: "mia", Role: domain.RoleOwner}, member("bob"), member("zoe")}, createdBody(t, log, id).Members)
}

func TestMessageCommandsRefuseBadInput(t *testing.T) {
	ctx, mia := context.Background(), domain.Actor{User: "mia"}
	chat, log := newChat(t)
	only := func(_ []domain.Event, err error) error { return err }
	for name, c := range map[string]struct {
		err     error
		want    *domain.Error
		pointer string
	}{
		"no content":                 {only(chat.EditMessage(ctx, mia, groupID, target, domain.Edit{})), domain.ErrInvalid, "/content"},
		"large content":              {only(chat.EditMessage(ctx, mia, groupID, target, domain.Edit{Content: text(strings.Repeat("x", 32_768))})), domain.ErrTooLarge, "/content"},
		"bad content":                {only(chat.EditMessage(ctx, mia, groupID, target, domain.Edit{Content: json.RawMessage(`{"type":"poll"}`)})), domain.ErrInvalid, "/content/type"},
		"bad mention":                {only(chat.EditMessage(ctx, mia, groupID, target, domain.Edit{Content: text("x"), Mentions: []domain.UserID{"a b"}})), domain.ErrInvalid, "/mentions/0"},
		"long reason":                {only(chat.RecallMessage(ctx, mia, groupID, target, strings.Repeat("é", 201))), domain.ErrInvalid, "/reason"},
		"no emoji":                   {only(chat.React(ctx, mia, groupID, target, "")), domain.ErrInvalid, "/emoji"},
		"long emoji":                 {only(chat.React(ctx, mia, groupID, target, strings.Repeat("x", 65))), domain.ErrInvalid, "/emoji"},
		"NUL":                        {only(chat.React(ctx, mia, groupID, target, "\x00")), domain.ErrInvalid, "/emoji"},
		"control":                    {only(chat.Unreact(ctx, mia, groupID, target, "a\u0085")), domain.ErrInvalid, "/emoji"},
		"not UTF-8":                  {only(chat.Unreact(ctx, mia, groupID, target, "\xff")), domain.ErrInvalid, "/emoji"},
		"valid, but no such message": {only(chat.React(ctx, mia, groupID, target, strings.Repeat("👩‍🚀", 5))), domain.ErrNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var e *domain.Error
			require.ErrorAs(t, c.err, &e)
			require.Equal(t, c.want.Code, e.Code)
			if c.pointer != "" {
				require.Contains(t, e.Fields, c.pointer)
			}
		})
	}
	require.Equal(t, 1, log.submitted, "only the valid command reaches the log")
}
