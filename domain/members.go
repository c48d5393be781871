package domain

import (
	"encoding/json"
	"errors"
)

// commandBase holds the actor and target of a command, and implements all methods of
// Command except Decide. Larger commands override Size.
type commandBase struct {
	actor  Actor
	target ConversationID
}

func (c commandBase) Target() ConversationID          { return c.target }
func (c commandBase) Key() (k IdempotencyKey, _ bool) { return k, false }
func (c commandBase) Size() int                       { return 256 }

// role returns the actor's role in a group. The error is ErrForbidden in a direct
// conversation, whose members and settings never change.
func (c commandBase) role(conv *Conversation) (Role, error) {
	role, err := conv.role(c.actor)
	if err != nil {
		return "", err
	}
	if conv.Kind == Direct {
		return "", ErrForbidden.WithMessage("a direct conversation never changes")
	}
	return role, nil
}

func (c commandBase) draft(t EventType, m MemberRole) (Draft, error) {
	body, err := marshal(m)
	if err != nil {
		return Draft{}, err
	}
	return Draft{Type: t, Sender: c.actor.User, Body: body, Member: m}, nil
}

func marshal(body any) (json.RawMessage, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, ErrInternal.WithCause(err)
	}
	return text, nil
}

func (c commandBase) drafts(t EventType, members ...MemberRole) ([]Draft, error) {
	out := make([]Draft, 0, len(members))
	for _, m := range members {
		d, err := c.draft(t, m)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// addMembers adds the users who are not members yet, all with one role. In a group
// without members, the first of them becomes the owner.
type addMembers struct {
	commandBase
	users       []UserID
	as          Role
	limit       int  // Limits.GroupMembers
	backendOnly bool // see Chat.BackendOnly
	single      bool // the request names one user in its path
}

var _ Command = (*addMembers)(nil)

func (c *addMembers) Size() int { return 256 + 160*len(c.users) }

func (c *addMembers) Decide(conv *Conversation) ([]Draft, error) {
	role, err := c.role(conv)
	if err != nil {
		return nil, err
	}
	if !role.Moderates() {
		return nil, ErrForbidden.WithMessage("only the owner and admins may add members")
	}
	if c.backendOnly && !c.actor.isServer() {
		return nil, errBackendOnly
	}
	if c.as != RoleMember && role != RoleOwner {
		return nil, ErrForbidden.WithMessage("only the owner may make admins")
	}
	var added []MemberRole
	seen := map[UserID]bool{}
	for i, user := range c.users {
		if _, in := conv.Member(user); in || seen[user] {
			continue
		}
		if err := conv.checkBanned(user); err != nil {
			return nil, c.at(i, err)
		}
		seen[user] = true
		added = append(added, MemberRole{UserID: user, Role: c.as})
	}
	if len(added) > 0 && conv.MemberCount() == 0 {
		added[0].Role = RoleOwner
	}
	if conv.MemberCount()+len(added) > c.limit {
		return nil, ErrLimitExceeded.WithMessage("the group would have more than group_members")
	}
	return c.drafts(MemberAdded, added...)
}

// at names the user of the request in the refusal of a banned one.
func (c *addMembers) at(i int, err error) error {
	var refused *Error
	if c.single || !errors.As(err, &refused) {
		return err
	}
	return refused.WithField("/user_ids/"+string(appendInt(nil, int64(i))), "is banned")
}

// putMember adds one user with a role, or changes the role of a member. It is also
// how a user joins an open group, and how the owner hands the group over.
type putMember struct {
	commandBase
	user        UserID
	as          Role
	limit       int  // Limits.GroupMembers
	backendOnly bool // see Chat.BackendOnly
}

var _ Command = (*putMember)(nil)

func (c *putMember) Decide(conv *Conversation) ([]Draft, error) {
	if c.joins(conv) {
		return c.join(conv)
	}
	role, err := c.role(conv)
	if err != nil {
		return nil, err
	}
	current, in := conv.Member(c.user)
	switch {
	case !in && c.as == RoleOwner && conv.MemberCount() > 0:
		return nil, Invalid("/role", "only a member can become the owner")
	case !in:
		add := addMembers{commandBase: c.commandBase, users: []UserID{c.user}, as: c.as, limit: c.limit, backendOnly: c.backendOnly, single: true}
		return add.Decide(conv)
	case current.Role == c.as:
		return nil, nil
	case role != RoleOwner:
		return nil, ErrForbidden.WithMessage("only the owner may change roles")
	case c.as == RoleOwner:
		return c.handOver(conv)
	case current.Role == RoleOwner:
		return nil, ErrConflict.WithMessage("a group has one owner: make another member the owner first")
	}
	return c.drafts(MemberRoleChanged, MemberRole{UserID: c.user, Role: c.as})
}

// joins reports whether the actor joins an open group with the command.
func (c *putMember) joins(conv *Conversation) bool {
	_, in := conv.Member(c.user)
	return !in && !c.actor.Backend && c.user == c.actor.User && conv.Open()
}

// join adds the actor to an open group, with the role of a member; in a group without
// members, as its owner.
func (c *putMember) join(conv *Conversation) ([]Draft, error) {
	switch {
	case c.backendOnly && !c.actor.isServer():
		return nil, errBackendOnly
	case c.as != RoleMember:
		return nil, ErrForbidden.WithMessage("users join an open group as members")
	case conv.MemberCount() >= c.limit:
		return nil, ErrLimitExceeded.WithMessage("the group would have more than group_members")
	}
	if err := conv.checkBanned(c.user); err != nil {
		return nil, err
	}
	as := RoleMember
	if conv.MemberCount() == 0 {
		as = RoleOwner
	}
	return c.drafts(MemberAdded, MemberRole{UserID: c.user, Role: as})
}

// Open reports whether every user may join the group.
func (c *Conversation) Open() bool { return c.Kind == Group && c.Settings.Joining == JoiningOpen }

// handOver makes the member the owner, and the former owner an admin.
func (c *putMember) handOver(conv *Conversation) ([]Draft, error) {
	changes := []MemberRole{{UserID: c.user, Role: RoleOwner}}
	for user, m := range conv.members {
		if m.Role == RoleOwner {
			changes = append(changes, MemberRole{UserID: user, Role: RoleAdmin})
		}
	}
	return c.drafts(MemberRoleChanged, changes...)
}

// removeMember removes a member, who may be the actor. If that is the owner, a successor
// becomes the owner.
type removeMember struct {
	commandBase
	user UserID
}

var _ Command = (*removeMember)(nil)

func (c *removeMember) Decide(conv *Conversation) ([]Draft, error) {
	role, err := c.role(conv)
	if err != nil {
		return nil, err
	}
	current, in := conv.Member(c.user)
	leaving := c.user == c.actor.User
	switch {
	case !leaving && !role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner and admins may remove members")
	case !in:
		return nil, nil
	case !leaving && role == RoleAdmin && current.Role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner may remove admins, and no other member the owner")
	}
	removed, err := c.draft(MemberRemoved, MemberRole{UserID: c.user, Role: current.Role})
	if err != nil {
		return nil, err
	}
	if current.Role != RoleOwner {
		return []Draft{removed}, nil
	}
	successor, ok := conv.successor(c.user)
	if !ok {
		return []Draft{removed}, nil
	}
	handed, err := c.draft(MemberRoleChanged, MemberRole{UserID: successor, Role: RoleOwner})
	if err != nil {
		return nil, err
	}
	return []Draft{removed, handed}, nil
}
