package push

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"

	"im/domain"
)

const (
	// titleBytes and textBytes are how much of a name and of a message a notification has.
	// Devices show a few lines.
	titleBytes = 400
	textBytes  = 1000
)

// notificationOf returns the notification about the message of a job, which has one.
func notificationOf(j *domain.PushJob) Notification {
	m, w := j.Message, wordsOf(j.Locale)
	n := Notification{Kind: KindMessage, ConversationID: j.ConversationID, Seq: m.Seq, Badge: j.UnreadTotal, Body: w.message, Mentioned: m.Mentioned}
	if j.Preview == domain.PreviewNone {
		return n
	}
	name := m.SenderName
	if name == "" {
		name = string(m.Sender)
	}
	name = cut(oneLine(name), titleBytes)
	n.Sender, n.Title = m.Sender, name
	titled := m.Group && m.Title != ""
	if titled {
		n.Title = cut(oneLine(m.Title), titleBytes)
	}
	if j.Preview == domain.PreviewSender {
		return n
	}
	n.Body = textOf(m.Content, w)
	if titled {
		n.Body = name + ": " + n.Body
	}
	n.Body = cut(n.Body, textBytes)
	return n
}

// textOf returns what of a content can be read, or a word for it.
func textOf(content []byte, w words) string {
	var c struct{ Type, Text, Name string }
	if json.Unmarshal(content, &c) != nil {
		return w.message
	}
	if text := strings.TrimSpace(printable(c.Text)); text != "" && c.Type != "custom" {
		return text
	}
	switch c.Type {
	case "image":
		return w.photo
	case "video":
		return w.video
	case "audio":
		return w.audio
	case "file":
		if name := oneLine(c.Name); name != "" {
			return w.file + ": " + name
		}
		return w.file
	}
	return w.message
}

// printable replaces control characters other than line feeds, which cost room and may
// change how a notification looks.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return ' '
		}
		return r
	}, text)
}

func oneLine(text string) string { return strings.Join(strings.Fields(printable(text)), " ") }

// ellipsis ends a text that was cut.
const ellipsis = "…"

// cut shortens a text to a number of bytes, between characters as people see them.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	limit -= len(ellipsis)
	end := 0
	for state, rest := -1, text; rest != ""; {
		var character string
		if character, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state); end+len(character) > limit {
			break
		}
		end += len(character)
	}
	if end == 0 {
		return ""
	}
	return text[:end] + ellipsis
}

var errTooLarge = errors.New("the notification is too large for the provider")

// fit encodes a notification in at most limit bytes: it shortens the body, and then the
// title.
func fit(n Notification, limit int, encode func(*Notification) ([]byte, error)) ([]byte, error) {
	for {
		payload, err := encode(&n)
		if err != nil || len(payload) <= limit {
			return payload, err
		}
		over := len(payload) - limit
		switch {
		case n.Body != "":
			n.Body = shorten(n.Body, over)
		case n.Title != "":
			n.Title = shorten(n.Title, over)
		default:
			return nil, errTooLarge
		}
	}
}

// shorten cuts a text that is encoded in over bytes too many. Escapes make some characters
// longer, so that it may take several calls.
func shorten(text string, over int) string {
	encoded, err := marshal(text)
	if err != nil {
		return ""
	}
	return cut(text, len(text)-max(1, over*len(text)/len(encoded)))
}

// testNotification returns what a device gets to try its registration.
func testNotification(locale string, badge int64) Notification {
	return Notification{Kind: KindTest, Body: wordsOf(locale).test, Badge: badge}
}
