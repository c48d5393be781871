package domain

import "encoding/json"

// change is what the commands that change the state have in common.
type change struct {
	actor  Actor
	target ConversationID
}

func (c change) Target() ConversationID          { return c.target }
func (c change) Key() (k IdempotencyKey, _ bool) { return k, false }
func (c change) Size() int                       { return 256 }

// role returns the actor's role in a group; in a direct conversation nothing
// may change, whoever asks.
func (c change) role(conv *Conversation) (Role, error) {
	role, err := conv.role(c.actor)
	if err != nil {
		return "", err
	}
	if conv.Kind == Direct {
		return "", ErrForbidden.WithMessage("a direct conversation never changes")
	}
	return role, nil
}

func (c change) draft(t EventType, m MemberRole) (Draft, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return Draft{}, ErrInternal.WithCause(err)
	}
	return Draft{Type: t, Sender: c.actor.User, Body: body, Member: m}, nil
}

func (c change) drafts(t EventType, members ...MemberRole) ([]Draft, error) {
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

// addMembers adds those who are not in yet, all with one role. In a group that
// everybody has left, the first becomes the owner.
type addMembers struct {
	change
	users []UserID
	as    Role
	limit int // group_members
	// closed: only backends add anybody.
	closed bool
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
	if c.closed && !c.actor.isServer() {
		return nil, errClosed
	}
	if c.as != RoleMember && role != RoleOwner {
		return nil, ErrForbidden.WithMessage("only the owner may make admins")
	}
	var added []MemberRole
	seen := map[UserID]bool{}
	for _, user := range c.users {
		if _, in := conv.Member(user); in || seen[user] {
			continue
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

// putMember adds one user with a role, or changes the role of a member.
type putMember struct {
	change
	user  UserID
	as    Role
	limit int
	// closed is that of addMembers.
	closed bool
}

var _ Command = (*putMember)(nil)

func (c *putMember) Decide(conv *Conversation) ([]Draft, error) {
	if c.enters(conv) {
		return c.enter(conv)
	}
	role, err := c.role(conv)
	if err != nil {
		return nil, err
	}
	present, in := conv.Member(c.user)
	switch {
	case !in && c.as == RoleOwner && conv.MemberCount() > 0:
		return nil, Invalid("/role", "only a member can become the owner")
	case !in:
		add := addMembers{change: c.change, users: []UserID{c.user}, as: c.as, limit: c.limit, closed: c.closed}
		return add.Decide(conv)
	case present.Role == c.as:
		return nil, nil
	case role != RoleOwner:
		return nil, ErrForbidden.WithMessage("only the owner may change roles")
	case c.as == RoleOwner:
		return c.handOver(conv)
	case present.Role == RoleOwner:
		return nil, ErrConflict.WithMessage("a group has one owner: make another member the owner first")
	}
	return c.drafts(MemberRoleChanged, MemberRole{UserID: c.user, Role: c.as})
}

// enters tells whether the actor, who is not in, wants to be in a group that is
// open to that.
func (c *putMember) enters(conv *Conversation) bool {
	_, in := conv.Member(c.user)
	return !in && !c.actor.Backend && c.user == c.actor.User && conv.Open()
}

// enter lets the actor in, as a member and nothing else; as the owner of a group
// that everybody has left.
func (c *putMember) enter(conv *Conversation) ([]Draft, error) {
	switch {
	case c.closed && !c.actor.isServer():
		return nil, errClosed
	case c.as != RoleMember:
		return nil, ErrForbidden.WithMessage("who joins an open group joins as a member")
	case conv.MemberCount() >= c.limit:
		return nil, ErrLimitExceeded.WithMessage("the group would have more than group_members")
	}
	as := RoleMember
	if conv.MemberCount() == 0 {
		as = RoleOwner
	}
	return c.drafts(MemberAdded, MemberRole{UserID: c.user, Role: as})
}

// Open tells whether anybody who knows of the group may join it.
func (c *Conversation) Open() bool { return c.Kind == Group && c.Settings.Joining == JoiningOpen }

// handOver makes the member the owner, and who was it an admin.
func (c *putMember) handOver(conv *Conversation) ([]Draft, error) {
	changes := []MemberRole{{UserID: c.user, Role: RoleOwner}}
	for user, m := range conv.members {
		if m.Role == RoleOwner {
			changes = append(changes, MemberRole{UserID: user, Role: RoleAdmin})
		}
	}
	return c.drafts(MemberRoleChanged, changes...)
}

// removeMember removes somebody, or lets the actor leave.
type removeMember struct {
	change
	user UserID
}

var _ Command = (*removeMember)(nil)

func (c *removeMember) Decide(conv *Conversation) ([]Draft, error) {
	role, err := c.role(conv)
	if err != nil {
		return nil, err
	}
	present, in := conv.Member(c.user)
	leaving := c.user == c.actor.User
	switch {
	case !leaving && !role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner and admins may remove members")
	case !in:
		return nil, nil
	case !leaving && role == RoleAdmin && present.Role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner may remove admins, and nobody the owner")
	}
	removed, err := c.draft(MemberRemoved, MemberRole{UserID: c.user, Role: present.Role})
	if err != nil {
		return nil, err
	}
	if present.Role != RoleOwner {
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
