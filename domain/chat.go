package domain

import (
	"context"
	"errors"
	"time"
)

// Chat is what users and backends do, whichever way they ask: it judges the
// request, and has the log decide and append. Safe for concurrent use.
type Chat struct {
	log    Log
	limits Limits
	closed bool // see Closed
}

// NewChat returns a Chat over log.
func NewChat(log Log, limits Limits) *Chat { return &Chat{log: log, limits: limits} }

// Closed returns a Chat over the same log in which only backends, for whomever,
// create conversations (direct ones by a first message, too) and add members.
func (c *Chat) Closed() *Chat {
	closed := *c
	closed.closed = true
	return &closed
}

// Send posts a message and calls done exactly once; done must not block, and
// may be called before Send returns. What one goroutine sends to one
// conversation is committed in that order; a refused posting holds up nothing.
// A posting to a user makes the direct conversation at need, which is awaited.
func (c *Chat) Send(ctx context.Context, a Actor, p Post, done func(Sent, error)) {
	if err := p.check(a.User, c.limits); err != nil {
		done(Sent{}, err)
		return
	}
	cmd := newPostMessage(a, p)
	if p.To.set() {
		id, err := c.direct(ctx, a, p.To, cmd)
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
		done(Sent{Event: o.Events[0], Duplicate: o.Duplicate}, nil)
	})
}

// direct finds the direct conversation that cmd is to be posted to, or makes it
// if cmd would be accepted there.
func (c *Chat) direct(ctx context.Context, a Actor, to UserID, cmd *postMessage) (ConversationID, error) {
	id, err := c.log.FindDirect(ctx, DirectKey(a.User, to))
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	if c.closed && !a.isServer() {
		return ConversationID{}, errClosed
	}
	creation := Creation{Kind: Direct, Members: []UserID{to}}
	n := creation.decide(a.User, time.Now())
	if _, err := cmd.Decide(n.state()); err != nil {
		return ConversationID{}, err
	}
	if cmd.draft[0].ReplyTo != 0 {
		return ConversationID{}, errBadReplyTarget
	}
	id, _, err = c.log.Create(ctx, n)
	return id, err
}

// Create makes a conversation, or finds the one that the creator's client id or
// the two users of a direct one have already; created tells which.
func (c *Chat) Create(ctx context.Context, a Actor, creation Creation) (id ConversationID, created bool, err error) {
	if err := creation.check(a.User, c.limits); err != nil {
		return ConversationID{}, false, err
	}
	n := creation.decide(a.User, time.Now())
	if c.closed && !a.isServer() {
		return c.find(ctx, n)
	}
	return c.log.Create(ctx, n)
}

// find returns the direct conversation that n would be, for those who may not
// make one.
func (c *Chat) find(ctx context.Context, n NewConversation) (id ConversationID, created bool, err error) {
	if n.DirectKey == "" {
		return ConversationID{}, false, errClosed
	}
	id, err = c.log.FindDirect(ctx, n.DirectKey)
	if errors.Is(err, ErrNotFound) {
		err = errClosed
	}
	return id, false, err
}

// errClosed is the answer to users where only backends make and fill conversations.
var errClosed = ErrForbidden.WithMessage("only the app's backend may create conversations and add members")

// Update changes what a conversation says of itself. No event: nothing changed.
func (c *Chat) Update(ctx context.Context, a Actor, id ConversationID, want Changes) ([]Event, error) {
	if err := want.check(c.limits); err != nil {
		return nil, err
	}
	return c.submit(ctx, &updateConversation{change: change{a, id}, want: want})
}

// AddMembers adds users with one role, member or admin; those who are in
// already stay as they are.
func (c *Chat) AddMembers(ctx context.Context, a Actor, id ConversationID, users []UserID, as Role) ([]Event, error) {
	if len(users) == 0 {
		return nil, Invalid("/user_ids", "must name somebody")
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
	return c.submit(ctx, &addMembers{change: change{a, id}, users: users, as: as, limit: c.limits.GroupMembers, closed: c.closed})
}

// PutMember adds a user with a role, or changes a member's role; making
// somebody the owner hands the ownership over, with a second event. In an open
// group users add themselves.
func (c *Chat) PutMember(ctx context.Context, a Actor, id ConversationID, user UserID, as Role) ([]Event, error) {
	if _, err := ParseUserID("/user_id", string(user)); err != nil {
		return nil, err
	}
	if as != RoleMember && as != RoleAdmin && as != RoleOwner {
		return nil, Invalid("/role", "must be owner, admin or member")
	}
	return c.submit(ctx, &putMember{change: change{a, id}, user: user, as: as, limit: c.limits.GroupMembers, closed: c.closed})
}

// RemoveMember removes a member, or lets the actor leave. An owner who leaves
// hands over, with a second event.
func (c *Chat) RemoveMember(ctx context.Context, a Actor, id ConversationID, user UserID) ([]Event, error) {
	if _, err := ParseUserID("/user_id", string(user)); err != nil {
		return nil, err
	}
	return c.submit(ctx, &removeMember{change: change{a, id}, user: user})
}

// EditMessage changes what a message of the actor says. What it names as
// mentions is judged as for a posting; those that are kept are not.
func (c *Chat) EditMessage(ctx context.Context, a Actor, id ConversationID, seq int64, want Edit) ([]Event, error) {
	if err := checkMessage(want.Content, want.Mentions, c.limits); err != nil {
		return nil, err
	}
	return c.submit(ctx, &editMessage{about: about{change{a, id}, seq}, want: want})
}

// RecallMessage takes a message back for everyone: its author, or who leads the
// group. A reason is optional.
func (c *Chat) RecallMessage(ctx context.Context, a Actor, id ConversationID, seq int64, reason string) ([]Event, error) {
	if err := checkText("/reason", &reason, c.limits.ReasonChars); err != nil {
		return nil, err
	}
	return c.submit(ctx, &recallMessage{about: about{change{a, id}, seq}, reason: reason})
}

// React puts an emoji on a message.
func (c *Chat) React(ctx context.Context, a Actor, id ConversationID, seq int64, emoji string) ([]Event, error) {
	return c.react(ctx, &react{about: about{change{a, id}, seq}, emoji: emoji, limit: c.limits.MessageEmojis})
}

// Unreact takes the actor's emoji off a message, a recalled one too.
func (c *Chat) Unreact(ctx context.Context, a Actor, id ConversationID, seq int64, emoji string) ([]Event, error) {
	return c.react(ctx, &react{about: about{change{a, id}, seq}, emoji: emoji, take: true})
}

func (c *Chat) react(ctx context.Context, cmd *react) ([]Event, error) {
	if err := checkEmoji(cmd.emoji, c.limits); err != nil {
		return nil, err
	}
	return c.submit(ctx, cmd)
}

// Pin pins a message: who leads the group, and both in a direct conversation.
func (c *Chat) Pin(ctx context.Context, a Actor, id ConversationID, seq int64) ([]Event, error) {
	return c.submit(ctx, &pin{about: about{change{a, id}, seq}, limit: c.limits.Pins})
}

// Unpin takes the pin off a message, a recalled one too.
func (c *Chat) Unpin(ctx context.Context, a Actor, id ConversationID, seq int64) ([]Event, error) {
	return c.submit(ctx, &pin{about: about{change{a, id}, seq}, take: true})
}

// submit waits for the outcome of a command, which the log always gives.
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
