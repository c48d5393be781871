package domain

import "encoding/json"

// SearchQuery is a full-text search in the messages that a user may read.
type SearchQuery struct {
	Text           string          // as typed, at most MaxQueryChars characters
	ConversationID *ConversationID // nil: in all conversations of the user
	Sender         UserID          // "": by any sender
	Since          *Time           // inclusive; nil: no bound
	Until          *Time           // exclusive; nil: no bound
	Cursor         string          // of the page before; "": the first page
	Limit          int             // messages
}

// MaxQueryChars is the maximum length of SearchQuery.Text.
const MaxQueryChars = 200

// SearchPage is a page of matching messages, the most relevant first.
type SearchPage struct {
	Items      []FoundMessage     `json:"items"`
	NextCursor *string            `json:"next_cursor"` // nil: the last page
	Users      map[UserID]Profile `json:"users"`       // of the users that the items refer to
}

// FoundMessage is a message with its matches.
type FoundMessage struct {
	Message
	Highlights []Highlight `json:"highlights"`
}

// Highlight is an excerpt of a field of the content with the matches in it. Offsets
// and lengths are in Unicode code points.
type Highlight struct {
	Field    string      `json:"field"`    // text or name
	Fragment string      `json:"fragment"` // the excerpt
	Offset   int         `json:"offset"`   // of the fragment in the field
	Ranges   []TextRange `json:"ranges"`   // of the matches in the fragment, ascending
}

// TextRange is a part of a text, in code points.
type TextRange struct {
	Start  int `json:"start"` // from the beginning of the text
	Length int `json:"length"`
}

// TextField is a searchable field of a content.
type TextField struct {
	Name string // of the member of the content: text or name
	Text string
}

// TextFields returns the searchable fields of a content that are not empty: text, which
// may be a caption, and the name of a file. A content of type custom has none.
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
