package verify

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"strconv"
	"time"
)

// event is an event as the contract describes it.
type event struct {
	ConversationID string          `json:"conversation_id"`
	Seq            int64           `json:"seq"`
	Type           string          `json:"type"`
	Sender         string          `json:"sender"`
	ClientMsgID    string          `json:"client_msg_id"`
	At             time.Time       `json:"at"`
	Body           json.RawMessage `json:"body"`
}

// body holds the checked fields of the bodies of all types.
type body struct {
	Content  json.RawMessage `json:"content"`
	ReplyTo  int64           `json:"reply_to"`
	Mentions []string        `json:"mentions"`
	Target   int64           `json:"target_seq"`
	UserID   string          `json:"user_id"`
	Role     string          `json:"role"`
	Emoji    string          `json:"emoji"`
	Members  []member        `json:"members"`
	Settings settings        `json:"settings"`
}

// settings are the settings that affect the checks.
type settings struct {
	History string `json:"history"`
	Joining string `json:"joining"`
}

func (s settings) groupKind() groupKind {
	return groupKind{s.History == historySinceJoin, s.Joining == joiningOpen}
}

// withoutContent reports whether a message has no content: after its recall it
// is null; an edit of a message below the reader's floor has none.
func (b *body) withoutContent() bool { return len(b.Content) == 0 || string(b.Content) == "null" }

// founder returns the owner named in a creation.
func (b *body) founder() string {
	for _, m := range b.Members {
		if m.Role == "owner" {
			return m.UserID
		}
	}
	return ""
}

type member struct {
	UserID string `json:"user_id"`
	Role   string `json:"role"`
}

const (
	created = "conversation.created"
	updated = "conversation.updated"
	added   = "member.added"
	removed = "member.removed"
	posted  = "message.posted"
	edited  = "message.edited"
	recall  = "message.recalled"
	reacted = "reaction.added"
	undone  = "reaction.removed"
)

func (e *event) parsed() (b body) {
	_ = json.Unmarshal(e.Body, &b) // unreadable bodies are still compared as text
	return b
}

// digest is what is kept of an event: enough to compare what two clients saw. A
// recall erases content that was seen before, so the content has its own hash.
type digest struct {
	outer  uint64 // the event without message content; the whole event for other types
	inner  uint64 // the body of a message; 0 after a recall
	exists bool
}

func (d digest) erased() bool { return d.inner == 0 }

// same reports whether two digests can be of one event, before or after its
// recall.
func (d digest) same(o digest) bool {
	return d.outer == o.outer && (d.inner == o.inner || d.erased() || o.erased())
}

func digestOf(e *event) digest {
	head := e.ConversationID + "\x00" + strconv.FormatInt(e.Seq, 10) + "\x00" + e.Type + "\x00" + e.Sender + "\x00" +
		e.ClientMsgID + "\x00" + strconv.FormatInt(e.At.UnixMicro(), 10)
	if e.Type != posted && e.Type != edited {
		return digest{outer: hash(head, canonical(e.Body)), inner: 1, exists: true}
	}
	d := digest{exists: true}
	b := e.parsed()
	d.outer = hash(head, strconv.FormatInt(b.ReplyTo, 10), strconv.FormatInt(b.Target, 10))
	if !b.withoutContent() {
		d.inner = contentHash(e.Body)
	}
	return d
}

// contentHash returns the hash of a message body by JSON value; never 0.
func contentHash(text []byte) uint64 { return hash(canonical(text)) | 1 }

// canonical returns the same text for equal JSON values.
func canonical(text []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return string(text)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return string(text)
	}
	return string(sorted)
}

func hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}
