package domain

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Chat offers every command, to all edges alike: it validates the request and
// submits a command to the log. It is safe for concurrent use.
//
// Methods that return events return those that the command appended, ascending;
// none, without an error, if it changed nothing. Errors are *Error: ErrInvalid,
// ErrTooLarge and ErrLimitExceeded for the request itself; ErrNotFound for a
// conversation or message that the actor may not know of; ErrForbidden, ErrBlocked
// and ErrConflict by the rules; and those of Log.
type Chat struct {
	log    Log
	limits Limits
	// backendOnly is set by BackendOnly.
	backendOnly bool
	uploads     Uploads // set by WithUploads; nil: attachments are not checked
	hook        Hook    // nil: none
}

// NewChat returns a Chat over log.
func NewChat(log Log, limits Limits) *Chat { return &Chat{log: log, limits: limits} }

// BackendOnly returns a Chat over the same log in which only backends, as
// themselves or on behalf of a user, may create conversations and add members. A
// user's first message to another user counts as creating a conversation.
func (c *Chat) BackendOnly() *Chat {
	restricted := *c
	restricted.backendOnly = true
	return &restricted
}

// WithUploads returns a Chat over the same log that checks which attachments messages name,
// and asks for an upload before a message names it.
func (c *Chat) WithUploads(u Uploads) *Chat {
	with := *c
	with.uploads = u
	return &with
}

// settle finds out whether the attachment that a message names has been uploaded. It
// returns what the commands have to check: nothing without Uploads.
func (c *Chat) settle(ctx context.Context, user UserID, ref attachmentRef) (attachmentRef, error) {
	switch {
	case c.uploads == nil:
		return attachmentRef{}, nil
	case ref.id.IsZero():
		return ref, nil
	default:
		return ref, c.uploads.SettleAttachment(ctx, user, ref.id)
	}
}

// refOf returns what the commands have to check of a replaced content, which may be nil.
func (c *Chat) refOf(content json.RawMessage) attachmentRef {
	if c.uploads == nil || content == nil {
		return attachmentRef{}
	}
	return refOf(content)
}

// Send posts a message and calls done exactly once. It keeps nothing of the post after it
// has returned. Done must not block, and may be called before Send returns, on its
// goroutine. Messages that one goroutine sends to one conversation are committed in that
// order; a refused one does not delay the others.
//
// Send does not wait for the commit. It waits until it is known whether the file that a
// message names has been uploaded and, without a hook, until the direct conversation of a
// message to a user is found or created. With a hook, all messages of one sender are
// submitted in the order of the calls.
func (c *Chat) Send(ctx context.Context, a Actor, p Post, done func(Sent, error)) {
	ref, err := p.check(a.User, c.limits)
	if err == nil {
		ref, err = c.settle(ctx, a.User, ref)
	}
	if err != nil {
		done(Sent{}, err)
		return
	}
	if !c.hooked(a) {
		c.post(ctx, p.To, newPostMessage(a, p, ref), done)
		return
	}
	p = p.clone()
	cmd := newPostMessage(a, p, ref)
	c.hook.Call(ctx, p.proposal(a.User), func(v Verdict) {
		cmd.judged(p, v, c.refOf(v.Content))
		c.post(ctx, p.To, cmd, done)
	})
}

// post submits the command for a post, which is to a user unless to is "".
func (c *Chat) post(ctx context.Context, to UserID, cmd *postMessage, done func(Sent, error)) {
	if to != "" {
		id, err := c.direct(ctx, cmd.actor, to, cmd)
		if err != nil {
			done(Sent{}, err)
			return
		}
		cmd.target = id
	}
	c.log.Submit(ctx, cmd, func(o Outcome, err error) {
		if err != nil {
			done(Sent{}, err)
			return
		}
		sent := Sent{Event: o.Events[0], Duplicate: o.Duplicate}
		if sent.Duplicate || cmd.replaced {
			sent.Content = changedContent(cmd.asked, &sent.Event)
		}
		done(sent, nil)
	})
}

// direct finds the direct conversation of the actor and another user. If there is
// none it creates it, provided that cmd would be accepted in it.
func (c *Chat) direct(ctx context.Context, a Actor, to UserID, cmd *postMessage) (ConversationID, error) {
	id, err := c.log.FindDirect(ctx, DirectKey(a.User, to))
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	if c.backendOnly && !a.isServer() {
		return ConversationID{}, errBackendOnly
	}
	creation := Creation{Kind: Direct, Members: []UserID{to}}
	n := creation.decide(a.User, time.Now())
	state := n.state()
	if err := c.loadAttachment(ctx, state, cmd.attached.id); err != nil {
		return ConversationID{}, err
	}
	if _, err := cmd.Decide(state); err != nil {
		return ConversationID{}, err
	}
	if cmd.draft[0].ReplyTo != 0 {
		return ConversationID{}, errBadReplyTarget
	}
	id, _, err = c.log.Create(ctx, n)
	return id, err
}

// loadAttachment loads an attachment, if it exists.
func (c *Chat) loadAttachment(ctx context.Context, state *Conversation, id AttachmentID) error {
	if id.IsZero() {
		return nil
	}
	a, err := c.log.FindAttachment(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	state.LoadAttachment(a)
	return err
}

// Create creates a conversation. If there is one already, for the creator's client
// id or for the two users of a direct conversation, it returns that one and created
// is false.
func (c *Chat) Create(ctx context.Context, a Actor, creation Creation) (id ConversationID, created bool, err error) {
	if err := creation.check(a.User, c.limits); err != nil {
		return ConversationID{}, false, err
	}
	n := creation.decide(a.User, time.Now())
	if c.backendOnly && !a.isServer() {
		return c.find(ctx, n)
	}
	return c.log.Create(ctx, n)
}

// find returns the existing direct conversation of n's users, to a user who may not
// create one.
func (c *Chat) find(ctx context.Context, n NewConversation) (id ConversationID, created bool, err error) {
	if n.DirectKey == "" {
		return ConversationID{}, false, errBackendOnly
	}
	id, err = c.log.FindDirect(ctx, n.DirectKey)
	if errors.Is(err, ErrNotFound) {
		err = errBackendOnly
	}
	return id, false, err
}

// errBackendOnly is the answer to users of a Chat that is BackendOnly.
var errBackendOnly = ErrForbidden.WithMessage("only the app's backend may create conversations and add members")

// Update changes title, avatar, settings or metadata of a group.
func (c *Chat) Update(ctx context.Context, a Actor, id ConversationID, want Changes) ([]Event, error) {
	if err := want.check(c.limits); err != nil {
		return nil, err
	}
	return c.submit(ctx, &updateConversation{commandBase: commandBase{a, id}, want: want})
}

// AddMembers adds 1 to Limits.MembersPerCall users with one role, member or admin.
// Users who are members already keep their role. All are added or none.
func (c *Chat) AddMembers(ctx context.Context, a Actor, id ConversationID, users []UserID, as Role) ([]Event, error) {
	if len(users) == 0 {
		return nil, Invalid("/user_ids", "must name a user")
	}
	if len(users) > c.limits.MembersPerCall {
		return nil, Invalid("/user_ids", "more than members_per_call")
	}
	if err := checkUserIDs("/user_ids", users); err != nil {
		return nil, err
	}
	if as != RoleMember && as != RoleAdmin {
		return nil, Invalid("/role", "must be member or admin")
	}
	return c.submit(ctx, &addMembers{commandBase: commandBase{a, id}, users: users, as: as, limit: c.limits.GroupMembers, backendOnly: c.backendOnly})
}

// PutMember adds a user with a role, or changes the role of a member. To make a
// member the owner hands the ownership over: a second event makes the former owner
// an admin. In an open group users may add themselves.
func (c *Chat) PutMember(ctx context.Context, a Actor, id ConversationID, user UserID, as Role) ([]Event, error) {
	if _, err := ParseUserID("/user_id", string(user)); err != nil {
		return nil, err
	}
	if as != RoleMember && as != RoleAdmin && as != RoleOwner {
		return nil, Invalid("/role", "must be owner, admin or member")
	}
	return c.submit(ctx, &putMember{commandBase: commandBase{a, id}, user: user, as: as, limit: c.limits.GroupMembers, backendOnly: c.backendOnly})
}

// RemoveMember removes a member; the actor may remove itself, that is, leave. If the
// owner goes, a second event makes another member the owner.
func (c *Chat) RemoveMember(ctx context.Context, a Actor, id ConversationID, user UserID) ([]Event, error) {
	if _, err := ParseUserID("/user_id", string(user)); err != nil {
		return nil, err
	}
	return c.submit(ctx, &removeMember{commandBase: commandBase{a, id}, user: user})
}

// Ban keeps a user out of a group until a time, or for good if until is nil. A member is
// removed first, with an event of its own. To ban a user again changes the time and the
// reason, which may be "".
func (c *Chat) Ban(ctx context.Context, a Actor, id ConversationID, user UserID, until *Time, reason string) ([]Event, error) {
	if err := checkText("/reason", &reason, c.limits.ReasonChars); err != nil {
		return nil, err
	}
	return c.moderate(ctx, &moderate{commandBase{a, id}, Ban, user, Sanction{Until: until, Reason: reason}, c.limits.Bans})
}

// Unban lifts a ban: the user may join and be added again.
func (c *Chat) Unban(ctx context.Context, a Actor, id ConversationID, user UserID) ([]Event, error) {
	return c.lift(ctx, &lift{commandBase{a, id}, Ban, user})
}

// Mute forbids a user of a group to post, to edit and to react until a time, or for good
// if until is nil. To mute a user again changes the time.
func (c *Chat) Mute(ctx context.Context, a Actor, id ConversationID, user UserID, until *Time) ([]Event, error) {
	return c.moderate(ctx, &moderate{commandBase{a, id}, Mute, user, Sanction{Until: until}, c.limits.Mutes})
}

// Unmute lifts a mute.
func (c *Chat) Unmute(ctx context.Context, a Actor, id ConversationID, user UserID) ([]Event, error) {
	return c.lift(ctx, &lift{commandBase{a, id}, Mute, user})
}

func (c *Chat) moderate(ctx context.Context, cmd *moderate) ([]Event, error) {
	if _, err := ParseUserID("/user_id", string(cmd.user)); err != nil {
		return nil, err
	}
	if cmd.want.Until != nil {
		cmd.want.Until = new(TimeOf(cmd.want.Until.Time)) // the precision in which it is stored
	}
	return c.submit(ctx, cmd)
}

func (c *Chat) lift(ctx context.Context, cmd *lift) ([]Event, error) {
	if _, err := ParseUserID("/user_id", string(cmd.user)); err != nil {
		return nil, err
	}
	return c.submit(ctx, cmd)
}

// EditMessage replaces the content of a message of the actor. New mentions are
// validated as for a new message; mentions that are kept are not.
func (c *Chat) EditMessage(ctx context.Context, a Actor, id ConversationID, seq int64, want Edit) ([]Event, error) {
	ref, err := checkMessage(want.Content, want.Mentions, c.limits)
	if err == nil {
		ref, err = c.settle(ctx, a.User, ref)
	}
	if err != nil {
		return nil, err
	}
	cmd := &editMessage{messageBase: messageBase{commandBase{a, id}, seq}, want: want, attached: ref}
	if c.hooked(a) {
		v := c.askHook(ctx, Proposal{
			ConversationID: id, TargetSeq: seq, Sender: a.User, Content: want.Content, Mentions: want.Mentions,
		})
		cmd.judged(v, c.refOf(v.Content))
	}
	return c.submit(ctx, cmd)
}

// RecallMessage removes the content of a message, for everyone and for good. Its
// author may, and the owner and admins of a group. The reason may be "".
func (c *Chat) RecallMessage(ctx context.Context, a Actor, id ConversationID, seq int64, reason string) ([]Event, error) {
	if err := checkText("/reason", &reason, c.limits.ReasonChars); err != nil {
		return nil, err
	}
	return c.submit(ctx, &recallMessage{messageBase: messageBase{commandBase{a, id}, seq}, reason: reason})
}

// React adds a reaction of the actor to a message. The emoji is any text of 1 to
// Limits.EmojiBytes bytes without control characters. U+FE0F is dropped before the bytes
// are counted.
func (c *Chat) React(ctx context.Context, a Actor, id ConversationID, seq int64, emoji string) ([]Event, error) {
	return c.react(ctx, &react{messageBase: messageBase{commandBase{a, id}, seq}, emoji: emoji, limit: c.limits.MessageEmojis})
}

// Unreact removes a reaction of the actor, from a recalled message too.
func (c *Chat) Unreact(ctx context.Context, a Actor, id ConversationID, seq int64, emoji string) ([]Event, error) {
	return c.react(ctx, &react{messageBase: messageBase{commandBase{a, id}, seq}, emoji: emoji, remove: true})
}

func (c *Chat) react(ctx context.Context, cmd *react) ([]Event, error) {
	cmd.emoji = NormalizeEmoji(cmd.emoji)
	if err := checkEmoji(cmd.emoji, c.limits); err != nil {
		return nil, err
	}
	return c.submit(ctx, cmd)
}

// Pin pins a message for everyone. In a group the owner and admins may, in a direct
// conversation both users.
func (c *Chat) Pin(ctx context.Context, a Actor, id ConversationID, seq int64) ([]Event, error) {
	return c.submit(ctx, &pin{messageBase: messageBase{commandBase{a, id}, seq}, limit: c.limits.Pins})
}

// Unpin removes the pin of a message, of a recalled one too. Those who may pin may.
func (c *Chat) Unpin(ctx context.Context, a Actor, id ConversationID, seq int64) ([]Event, error) {
	return c.submit(ctx, &pin{messageBase: messageBase{commandBase{a, id}, seq}, remove: true})
}

// submit waits for the outcome of a command. It needs no deadline of its own,
// because Log.Submit promises an answer.
func (c *Chat) submit(ctx context.Context, cmd Command) ([]Event, error) {
	type result struct {
		outcome Outcome
		err     error
	}
	answer := make(chan result, 1)
	c.log.Submit(ctx, cmd, func(o Outcome, err error) { answer <- result{o, err} })
	r := <-answer
	return r.outcome.Events, r.err
}
