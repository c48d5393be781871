package domain

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPostingHash(t *testing.T) {
	hash := func(p Post) [32]byte { return newPostMessage(Actor{User: "mia"}, p, attachmentRef{}).draft[0].Hash }
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
