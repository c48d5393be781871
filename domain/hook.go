package domain

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
)

// Hook lets the app decide on the messages of users before they are accepted.
type Hook interface {
	// Call calls done exactly once, and may do so before it returns. Calls for several
	// proposals of one sender overlap, but their dones are called one after the other, in
	// the order of the calls. Only a done whose verdict is a refusal may come earlier.
	Call(ctx context.Context, p Proposal, done func(Verdict))
}

// Proposal is a message, or the edit of one, that a user wants to write. It is valid by
// itself; whether the user may write it is not known yet.
type Proposal struct {
	ConversationID ConversationID // zero if To is set
	To             UserID         // the other user of a direct conversation; "" if ConversationID is set
	TargetSeq      int64          // seq of the message to edit; 0 for a new message
	Sender         UserID
	ClientMsgID    string // of a new message; "" for an edit
	Content        json.RawMessage
	Mentions       []UserID
	Metadata       json.RawMessage // of a new message; nil: none
}

// Size estimates the bytes of memory that the proposal keeps in use.
func (p *Proposal) Size() int {
	size := 512 + 2*len(p.Content) + 2*len(p.Metadata) // the command has a copy
	for _, user := range p.Mentions {
		size += 3*16 + 2*len(user)
	}
	return size
}

// Verdict is what a hook decided about a proposal. The zero value accepts it as it is.
type Verdict struct {
	// Refusal, if not nil, is the answer to the sender. It applies only to what the rules
	// permit: their refusal precedes it, and so does the answer to a repeated message.
	Refusal error
	// Content takes the place of the content, if it is not nil.
	Content json.RawMessage
	// Metadata takes the place of the metadata of a new message, if it is set.
	Metadata Field[json.RawMessage]
}

// CheckReplacement validates the content and the metadata that a hook wants to put in the
// place of others. nil stands for no metadata.
func CheckReplacement(content, metadata json.RawMessage, limits Limits) error {
	if _, err := checkContent(content, limits); err != nil {
		return err
	}
	return checkMetadata(metadata, limits)
}

// ProposalState is what the log knows about a proposal before the hook is called.
type ProposalState struct {
	// Permitted is false if the proposal will be refused in any case: the sender is not a
	// member, or is not the author of the message to edit, or that message was recalled.
	Permitted bool
	// Repeated is set for a new message if the sender has used its ClientMsgID before.
	Repeated bool
	// ClientMsgID is that of the message to edit.
	ClientMsgID string
}

// WithHook returns a Chat over the same log that calls a hook for each message and each
// edit of a user. Backends decide for themselves: no hook is called for a server token,
// also not if it acts on behalf of a user.
func (c *Chat) WithHook(h Hook) *Chat {
	hooked := *c
	hooked.hook = h
	return &hooked
}

// hooked reports whether the hook is called for messages of an actor.
func (c *Chat) hooked(a Actor) bool { return c.hook != nil && !a.isServer() }

// askHook waits for the verdict on an edit. It needs no deadline of its own, because
// Hook.Call promises an answer.
func (c *Chat) askHook(ctx context.Context, p Proposal) Verdict {
	answer := make(chan Verdict, 1)
	c.hook.Call(ctx, p, func(v Verdict) { answer <- v })
	return <-answer
}

// proposal returns a post as a hook gets it.
func (p *Post) proposal(sender UserID) Proposal {
	return Proposal{
		ConversationID: p.ConversationID, To: p.To, Sender: sender, ClientMsgID: p.ClientMsgID,
		Content: p.Content, Mentions: p.Mentions, Metadata: p.Metadata,
	}
}

// clone returns a copy with memory of its own. The memory of a post belongs to the caller of
// Send, who uses it again after Send has returned: for the next frame of the socket.
func (p Post) clone() Post {
	p.Content, p.Metadata, p.Mentions = bytes.Clone(p.Content), bytes.Clone(p.Metadata), slices.Clone(p.Mentions)
	return p
}

// amended returns the post with what a verdict replaces.
func (p Post) amended(v Verdict) Post {
	if v.Content != nil {
		p.Content = v.Content
	}
	if v.Metadata.Set {
		p.Metadata = nil
		if v.Metadata.Value != nil {
			p.Metadata = *v.Metadata.Value
		}
	}
	return p
}

// judged puts a verdict on the posting p into its command. ref is what a replaced content
// names. The hash stays that of the
// posting as it was asked for. So a repetition of the same request is a duplicate, even
// if the hook has replaced the content, or would replace it differently now.
func (m *postMessage) judged(p Post, v Verdict, ref attachmentRef) {
	m.refusal = v.Refusal
	if v.Content == nil && !v.Metadata.Set {
		return
	}
	body := p.amended(v).body()
	m.replaced = true
	if v.Content != nil {
		m.attached = ref
		m.draft[0].Attachment = m.attached.id
	}
	m.draft[0].Body = body.appendJSON(make([]byte, 0, len(body.Content)+len(body.Metadata)+64))
}

// changedContent returns the content of a posting if it is not the one that was asked
// for, because a hook has replaced it; else nil. A recalled posting has none.
func changedContent(asked json.RawMessage, posted *Event) json.RawMessage {
	var body PostedBody
	if json.Unmarshal(posted.Body, &body) != nil || string(body.Content) == "null" || sameJSON(asked, &body.Content) {
		return nil
	}
	return body.Content
}
