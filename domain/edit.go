package domain

import (
	"encoding/json"
	"slices"
)

// editMessage is the command for a checked Edit.
type editMessage struct {
	messageBase
	want Edit
}

var _ MessageCommand = (*editMessage)(nil)

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
	if err := conv.mayPost(c.actor); err != nil {
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
	return []Draft{{
		Type: MessageEdited, Sender: c.actor.User, Body: body.appendJSON(make([]byte, 0, len(body.Content)+64)),
		Target: c.seq, Edit: &body, Mentions: distinct(body.Mentions),
	}}, nil
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

// checkMessage validates the parts that edits and postings share.
func checkMessage(content json.RawMessage, mentions []UserID, limits Limits) error {
	if err := checkContent(content, limits); err != nil {
		return err
	}
	for i, user := range mentions {
		if user == Everyone {
			continue
		}
		if _, err := ParseUserID(mentionPointer(i), string(user)); err != nil {
			return err
		}
	}
	return nil
}

// distinct returns a sorted copy of mentions without repetition.
func distinct(mentions []UserID) []UserID {
	sorted := slices.Clone(mentions)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
