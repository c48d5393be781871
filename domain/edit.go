package domain

import (
	"encoding/json"
	"slices"
)

// editMessage is the command for a checked Edit.
type editMessage struct {
	messageBase
	want     Edit
	attached attachmentRef
	refusal  error // of a hook, for an edit that the rules permit; nil: none
}

var _, _ = MessageCommand((*editMessage)(nil)), AttachmentCommand((*editMessage)(nil))

// Attachment implements AttachmentCommand.
func (c *editMessage) Attachment() AttachmentID { return c.attached.id }

func (c *editMessage) Size() int                  { return 256 + len(c.want.Content) }
func (c *editMessage) MessageQuery() MessageQuery { return MessageQuery{Seq: c.seq, Content: true} }

// Decide returns no draft if the edit changes neither content nor mentions.
func (c *editMessage) Decide(conv *Conversation) ([]Draft, error) {
	role, m, err := c.message(conv)
	switch {
	case err != nil:
		return nil, err
	case m.Sender != c.actor.User:
		return nil, ErrForbidden.WithMessage("only the author may edit a message")
	case m.Recalled:
		return nil, errRecalled
	}
	if err := conv.maySpeak(c.actor, role); err != nil {
		return nil, err
	}
	body := EditedBody{TargetSeq: c.seq, Content: c.want.Content, Mentions: m.Mentions}
	if c.want.Mentions != nil {
		if err := conv.mayMention(role, c.want.Mentions); err != nil {
			return nil, err
		}
		body.Mentions = c.want.Mentions
	}
	if sameJSON(m.Content, &body.Content) && slices.Equal(m.Mentions, body.Mentions) {
		return nil, nil
	}
	attached := c.attached
	if _, known := conv.attachments[attached.id]; !known && attached.named && attached.text == refOf(m.Content).text {
		attached = attachmentRef{} // the message has it from a time at which ids were not checked
	}
	if err := conv.mayAttach(c.actor.User, attached); err != nil {
		return nil, err
	}
	if c.refusal != nil {
		return nil, c.refusal
	}
	return []Draft{{
		Type: MessageEdited, Sender: c.actor.User, Body: body.appendJSON(make([]byte, 0, len(body.Content)+64)),
		Target: c.seq, Edit: &body, Mentions: distinct(body.Mentions),
		Attachment: attached.id,
	}}, nil
}

// judged puts the verdict of a hook into the command. Edits have no metadata to replace.
func (c *editMessage) judged(v Verdict, ref attachmentRef) {
	c.refusal = v.Refusal
	if v.Content != nil {
		c.want.Content, c.attached = v.Content, ref
	}
}

// recallMessage is the command for a recall. To recall a message again changes nothing.
type recallMessage struct {
	messageBase
	reason string
}

var _ MessageCommand = (*recallMessage)(nil)

func (c *recallMessage) Decide(conv *Conversation) ([]Draft, error) {
	role, m, err := c.message(conv)
	switch {
	case err != nil:
		return nil, err
	case m.Sender != c.actor.User && !role.Moderates():
		return nil, ErrForbidden.WithMessage("only its author, the owner and admins may recall a message")
	case m.Recalled:
		return nil, nil
	}
	d, err := c.event(MessageRecalled, RecalledBody{TargetSeq: c.seq, Reason: c.reason})
	if err != nil {
		return nil, err
	}
	return []Draft{d}, nil
}

// checkMessage validates the parts that edits and postings share. It returns the attachment
// that the content names.
func checkMessage(content json.RawMessage, mentions []UserID, limits Limits) (ref attachmentRef, err error) {
	if ref, err = checkContent(content, limits); err != nil {
		return ref, err
	}
	for i, user := range mentions {
		if user == Everyone {
			continue
		}
		if _, err := ParseUserID(mentionPointer(i), string(user)); err != nil {
			return ref, err
		}
	}
	return ref, nil
}

// distinct returns a sorted copy of mentions without repetition.
func distinct(mentions []UserID) []UserID {
	sorted := slices.Clone(mentions)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
