package frametest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"im"
)

func protocol(t *testing.T) *Protocol {
	t.Helper()
	p, err := Read(im.AsyncAPI())
	require.NoError(t, err)
	return p
}

func TestExamples(t *testing.T) {
	p := protocol(t)
	require.NoError(t, p.CheckExamples())
	require.Equal(t, []string{"ack", "hello", "ping", "pull", "read", "send", "sync", "typing", "watch"}, p.ClientMessages())
}

// TestDocument: everything in the description is referred to.
func TestDocument(t *testing.T) {
	var d document
	require.NoError(t, yaml.Unmarshal(im.AsyncAPI(), &d.root))
	for _, kind := range []string{"messages", "schemas", "correlationIds", "securitySchemes"} {
		require.NotEmpty(t, d.object("components", kind), kind)
		require.Empty(t, d.unused(kind), kind)
	}
	p := protocol(t)
	require.Len(t, d.object("channels", "socket", "messages"), len(p.ClientMessages())+len(p.ServerMessages()), "each has one direction")
}

func TestFromServer(t *testing.T) {
	p := protocol(t)
	const id = `0198c5de-0000-7000-8000-000000000001`
	event := func(kind, body string) string {
		return `{"type":"event","event":{"conversation_id":"` + id + `","seq":2,"type":"` + kind + `","sender":"a","client_msg_id":"c","at":"2026-01-02T03:04:05.678901Z","body":` + body + `}}`
	}
	for frame, name := range map[string]string{
		event("message.posted", `{"content":{"type":"text","text":"x"}}`):            "message_posted",
		event("message.posted", `{"content":null}`):                                  "message_posted",
		event("message.posted", `{}`):                                                "",
		event("message.posted", `{"content":{"type":"poll"}}`):                       "",
		event("message.posted", `{"content":{"type":"text","text":"x","colour":1}}`): "",
		event("message.posted", `{"contents":{"type":"text","text":"x"}}`):           "",
		event("message.lost", `{}`):                                                  "",
		event("member.added", `{"user_id":"b","role":"member"}`):                     "", // with a client_msg_id
		`{"type":"drain","reconnect_after_ms":1}`:                                    "drain",
		`{"type":"drain","reconnect_after_ms":1,"more":1}`:                           "",
		`{"type":"drain","reconnect_after_ms":"1"}`:                                  "",
		`{"type":"drain"}`: "",
		`{"type":"ping"}`:  "",
		`[]`:               "",
		`{`:                "",
	} {
		is, err := p.FromServer([]byte(frame))
		if name == "" {
			require.Error(t, err, frame)
			continue
		}
		require.NoError(t, err, frame)
		require.Equal(t, name, is)
	}
}

// TestUnknownFieldsAreAllowed: as clients read it, the description allows what later
// versions add.
func TestUnknownFieldsAreAllowed(t *testing.T) {
	var d document
	require.NoError(t, yaml.Unmarshal(im.AsyncAPI(), &d.root))
	open, err := compiler(d.root)
	require.NoError(t, err)
	schema, err := open.Compile(location + "#/components/schemas/Event")
	require.NoError(t, err)
	for body, good := range map[string]bool{
		`{"content":{"type":"poll","more":1},"more":1}`: true,
		`{"content":{"type":"text"}}`:                   false,
	} {
		for kind, good := range map[string]bool{"message.posted": good, "message.later": true} {
			var event any
			require.NoError(t, yaml.Unmarshal([]byte(`{conversation_id: 0198c5de-0000-7000-8000-000000000001, seq: 2, type: `+kind+
				`, sender: a, client_msg_id: c, at: "2026-01-02T03:04:05.678901Z", more: 1, body: `+body+`}`), &event))
			require.Equal(t, good, schema.Validate(event) == nil, "%s %s", kind, body)
		}
	}
}
