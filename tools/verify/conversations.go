package verify

import (
	"slices"
	"sync"
)

// conversationSet holds the conversations of the run as clients know them.
// Users choose their next actions from it. The checks use it only for a
// conversation that is gone: in which epoch did a client last see it?
type conversationSet struct {
	mu   sync.Mutex
	byID map[string]*knownConversation
	list []*knownConversation
}

// knownConversation is what clients know of one conversation.
type knownConversation struct {
	id        string
	direct    bool
	groupKind groupKind
	founder   string
	epoch     int               // the newest in which a client saw it
	members   map[string]roleAt // former members too
	recent    []target          // the newest messages
}

// roleAt is a user's role as of a seq.
type roleAt struct {
	role string // "" for a non-member
	seq  int64
}

// target is a message that can be changed.
type target struct {
	seq    int64
	sender string
}

// maxRecent bounds the remembered newest messages of a conversation.
const maxRecent = 24

func newConversationSet() *conversationSet {
	return &conversationSet{byID: map[string]*knownConversation{}}
}

// observe updates the set by an event that a client got in an epoch.
func (s *conversationSet) observe(e *event, b *body, epoch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[e.ConversationID]
	if c == nil {
		c = &knownConversation{id: e.ConversationID, members: map[string]roleAt{}}
		s.byID[c.id] = c
		s.list = append(s.list, c)
	}
	c.epoch = max(c.epoch, epoch)
	switch e.Type {
	case created:
		for _, m := range b.Members {
			c.set(m.UserID, m.Role, e.Seq)
		}
		c.direct, c.groupKind = isDirect(e.Body), b.Settings.groupKind()
		c.founder = b.founder()
	case added, "member.role_changed":
		c.set(b.UserID, b.Role, e.Seq)
	case removed:
		c.set(b.UserID, "", e.Seq)
	case posted:
		if n := len(c.recent); n == 0 || c.recent[n-1].seq < e.Seq {
			c.recent = append(c.recent, target{e.Seq, e.Sender})
			c.recent = c.recent[max(0, len(c.recent)-maxRecent):]
		}
	}
}

func (c *knownConversation) set(user, role string, seq int64) {
	if c.members[user].seq <= seq {
		c.members[user] = roleAt{role, seq}
	}
}

// choose returns a random conversation of a user, or nil. With groups it returns
// only groups.
func (s *conversationSet) choose(user string, rng chance, groups bool) *knownConversation {
	return s.chooseWhere(rng, func(c *knownConversation) bool { return c.members[user].role != "" && (!groups || !c.direct) })
}

// chooseOpen returns a random open group that a user may join, or nil.
func (s *conversationSet) chooseOpen(user string, rng chance) *knownConversation {
	return s.chooseWhere(rng, func(c *knownConversation) bool { return c.groupKind.open && c.members[user].role == "" })
}

// chooseChanging returns a random group of a user with changing members, or nil.
func (s *conversationSet) chooseChanging(user string, rng chance) *knownConversation {
	return s.chooseWhere(rng, func(c *knownConversation) bool { return c.groupKind != groupKind{} && c.members[user].role != "" })
}

// ifMember returns a conversation if the user is a member, else nil.
func (s *conversationSet) ifMember(user, id string) *knownConversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byID[id]; c != nil && c.members[user].role != "" {
		return c
	}
	return nil
}

// chooseWhere returns a random conversation that fulfils a condition, or nil.
func (s *conversationSet) chooseWhere(rng chance, matches func(*knownConversation) bool) *knownConversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*knownConversation
	for _, c := range s.list {
		if matches(c) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[rng.IntN(len(list))]
}

// chooseFormer returns a random conversation that a user was removed from, or nil.
func (s *conversationSet) chooseFormer(user string, rng chance) *knownConversation {
	return s.chooseWhere(rng, func(c *knownConversation) bool {
		p, was := c.members[user]
		return was && p.role == ""
	})
}

// count returns the number of conversations.
func (s *conversationSet) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}

// lastEpoch returns the newest epoch in which a client saw a conversation; 0
// for none.
func (s *conversationSet) lastEpoch(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byID[id]; c != nil {
		return c.epoch
	}
	return 0
}

// ids returns all conversations.
func (s *conversationSet) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(s.list))
	for i, c := range s.list {
		ids[i] = c.id
	}
	return ids
}

// snapshot is a conversation at one moment. Users are in the order of the run.
type snapshot struct {
	direct    bool
	sinceJoin bool
	founder   string
	in        []string // members
	out       []string // users who are not members
	roles     map[string]string
	recent    []target
}

// snapshot returns what is known of a conversation now.
func (s *conversationSet) snapshot(c *knownConversation, all []*user) snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := snapshot{
		direct: c.direct, sinceJoin: c.groupKind.sinceJoin, founder: c.founder, roles: map[string]string{}, recent: slices.Clone(c.recent),
	}
	for _, u := range all {
		role := c.members[u.name].role
		now.roles[u.name] = role
		if role == "" {
			now.out = append(now.out, u.name)
		} else {
			now.in = append(now.in, u.name)
		}
	}
	return now
}
