package domain

import "encoding/json"

// SearchQuery asks for messages by what they say.
type SearchQuery struct {
	Text           string          // what was typed, at most MaxQueryChars characters
	ConversationID *ConversationID // only there; nil for everywhere
	Sender         UserID          // only by this user; "" for anybody
	Since          *Time           // not before; nil for always
	Until          *Time           // before; nil for always
	Cursor         string
	Limit          int
}

// MaxQueryChars is how long what is searched for may be.
const MaxQueryChars = 200

// SearchPage is a page of what was found, the most relevant first.
type SearchPage struct {
	Items      []FoundMessage     `json:"items"`
	NextCursor *string            `json:"next_cursor"`
	Users      map[UserID]Profile `json:"users"`
}

// FoundMessage is a message as it stands, and where it matches.
type FoundMessage struct {
	Message
	Highlights []Highlight `json:"highlights"`
}

// Highlight is a part of a field of the content, and what matches in it. All
// numbers count Unicode code points.
type Highlight struct {
	Field    string      `json:"field"`
	Fragment string      `json:"fragment"`
	Offset   int         `json:"offset"` // of the fragment in the field
	Ranges   []TextRange `json:"ranges"` // in the fragment, ascending
}

// TextRange is a stretch of a text, in code points.
type TextRange struct {
	Start  int `json:"start"`
	Length int `json:"length"`
}

// TextField is a field of a content that people read.
type TextField struct{ Name, Text string }

// TextFields returns what people read of a content: the text or caption, and the
// name of a file. The app's own kinds of content have none.
func TextFields(content json.RawMessage) (fields []TextField) {
	var c struct{ Type, Text, Name string }
	if json.Unmarshal(content, &c) != nil {
		return nil
	}
	switch c.Type {
	case contentText:
		c.Name = ""
	case contentImage, contentFile, contentAudio, contentVideo:
	default:
		return nil
	}
	for _, f := range []TextField{{"text", c.Text}, {"name", c.Name}} {
		if f.Text != "" {
			fields = append(fields, f)
		}
	}
	return fields
}
