package domain

import (
	"crypto/sha256"
	"encoding/json"

	"im/internal/strictjson"
)

const maxClientID = 64

// Post is a request to post a message. It goes to ConversationID or, if that is zero,
// to the direct conversation of the sender and To.
type Post struct {
	ConversationID ConversationID  // zero if To is set
	To             UserID          // another user; "" if ConversationID is set
	ClientMsgID    string          // the sender's idempotency key, 1 to 64 characters
	Content        json.RawMessage // at most Limits.ContentBytes; kept byte for byte
	ReplyTo        *int64          // seq of a message that the sender may read; nil: none
	Mentions       []UserID        // members, or Everyone; repetitions are allowed
	Metadata       json.RawMessage // an object of the app; nil: none; at most Limits.MetadataBytes
}

// Sent is the result of a Post.
type Sent struct {
	Event     Event // the message.posted
	Duplicate bool  // it had been posted before, with the same ClientMsgID
	// Content is that of the event if a hook has replaced the one of the Post; else nil.
	Content json.RawMessage
}

// check validates everything that does not depend on the state. It returns the attachment
// that the content names.
func (p *Post) check(sender UserID, limits Limits) (ref attachmentRef, err error) {
	if (p.To != "") == !p.ConversationID.IsZero() {
		return ref, Invalid("/conversation_id", "exactly one of conversation_id and to is required")
	}
	if p.To != "" {
		if _, err := ParseUserID("/to", string(p.To)); err != nil {
			return ref, err
		}
		if p.To == sender {
			return ref, Invalid("/to", "must be another user")
		}
	}
	if err := checkClientID("/client_msg_id", p.ClientMsgID); err != nil {
		return ref, err
	}
	if ref, err = checkMessage(p.Content, p.Mentions, limits); err != nil {
		return ref, err
	}
	if p.ReplyTo != nil && *p.ReplyTo < 1 {
		return ref, Invalid("/reply_to", "must be the seq of a message")
	}
	return ref, checkMetadata(p.Metadata, limits)
}

func checkClientID(pointer, id string) error {
	if id == "" {
		return Invalid(pointer, "is required")
	}
	return checkText(pointer, &id, maxClientID)
}

func mentionPointer(i int) string { return "/mentions/" + string(appendInt(nil, int64(i))) }

// postMessage is the command for a checked Post. It holds its draft from the beginning,
// because the draft does not depend on the state.
type postMessage struct {
	actor    Actor
	target   ConversationID
	draft    [1]Draft        // an array, so that Decide needs no allocation
	mentions []UserID        // as they were sent, for pointers into the request
	asked    json.RawMessage // the content as it was sent
	refusal  error           // of a hook, for a posting that the rules permit; nil: none
	replaced bool            // a hook has changed the draft
	attached attachmentRef
}

var _ AttachmentCommand = (*postMessage)(nil)

func newPostMessage(a Actor, p Post, ref attachmentRef) *postMessage {
	body := p.body()
	text := body.appendJSON(make([]byte, 0, len(p.Content)+len(p.Metadata)+64))
	return &postMessage{
		actor: a, target: p.ConversationID, mentions: p.Mentions, attached: ref, asked: text[len(contentPrefix):][:len(p.Content):len(p.Content)],
		draft: [1]Draft{{
			Type: MessagePosted, Sender: a.User, ClientMsgID: p.ClientMsgID,
			Body:    json.RawMessage(text),
			Hash:    body.hash(),
			ReplyTo: body.ReplyTo, Mentions: distinct(p.Mentions), Attachment: ref.id,
		}},
	}
}

func (p Post) body() PostedBody {
	body := PostedBody{Content: p.Content, Mentions: p.Mentions, Metadata: p.Metadata}
	if p.ReplyTo != nil {
		body.ReplyTo = *p.ReplyTo
	}
	return body
}

// hash returns the SHA-256 of the canonical form: it is equal for postings with equal
// JSON values.
func (b *PostedBody) hash() [sha256.Size]byte {
	var buf [1024]byte // on the stack; enough for most messages
	text := strictjson.AppendCanonical(append(buf[:0], `{"content":`...), b.Content)
	if b.ReplyTo != 0 {
		text = appendInt(append(text, `,"reply_to":`...), b.ReplyTo)
	}
	text = appendMentions(text, b.Mentions)
	if len(b.Metadata) > 0 {
		text = strictjson.AppendCanonical(append(text, `,"metadata":`...), b.Metadata)
	}
	return sha256.Sum256(append(text, '}'))
}

// errBadReplyTarget is the answer to a reply whose target is not a message, or is below
// the sender's floor. Decide finds only the latter; the log finds the former.
var errBadReplyTarget = Invalid("/reply_to", "is not a message of the conversation")

func (m *postMessage) Target() ConversationID { return m.target }

func (m *postMessage) Key() (IdempotencyKey, bool) {
	return IdempotencyKey{Sender: m.draft[0].Sender, ClientMsgID: m.draft[0].ClientMsgID, Hash: m.draft[0].Hash}, true
}

// Attachment implements AttachmentCommand.
func (m *postMessage) Attachment() AttachmentID { return m.attached.id }

func (m *postMessage) Size() int { return 256 + len(m.draft[0].Body) }

func (m *postMessage) Decide(c *Conversation) ([]Draft, error) {
	role, err := c.role(m.actor)
	if err != nil {
		return nil, err
	}
	if err := c.maySpeak(m.actor, role); err != nil {
		return nil, err
	}
	if c.Settings.Posting == PostingAdmins && !role.Moderates() {
		return nil, ErrForbidden.WithMessage("only the owner and admins may post here")
	}
	if m.draft[0].ReplyTo != 0 && m.draft[0].ReplyTo < c.floor(m.actor) {
		return nil, errBadReplyTarget
	}
	if err := c.mayMention(role, m.mentions); err != nil {
		return nil, err
	}
	if err := c.mayAttach(m.actor.User, m.attached); err != nil {
		return nil, err
	}
	if err := c.checkSlowMode(m.actor, role); err != nil {
		return nil, err
	}
	if m.refusal != nil {
		return nil, m.refusal
	}
	return m.draft[:], nil
}

// mayMention validates the mentions in a message of an actor with this role.
func (c *Conversation) mayMention(role Role, mentions []UserID) error {
	for i, user := range mentions {
		if user == Everyone {
			if c.Kind != Group {
				return Invalid(mentionPointer(i), "everyone can be mentioned in groups only")
			}
			if !role.Moderates() {
				return ErrForbidden.WithMessage("only the owner and admins may mention everyone")
			}
			continue
		}
		if _, ok := c.Member(user); !ok {
			return Invalid(mentionPointer(i), "is not a member")
		}
	}
	return nil
}

func checkUserIDs(pointer string, users []UserID) error {
	for i, user := range users {
		if _, err := ParseUserID(pointer+"/"+string(appendInt(nil, int64(i))), string(user)); err != nil {
			return err
		}
	}
	return nil
}
