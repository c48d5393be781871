package verify

import (
	"slices"
	"sync"
)

// conversations are the conversations of the run as clients know them. They
// guide the choice of the next actions. The checks use them only for
// conversations that are gone: in which epoch a client last saw them.
type rooms struct {
	mu   sync.Mutex
	byID map[string]*room
	list []*room
}

type room struct {
	id        string
	direct    bool
	groupKind groupKind
	founder   string
	epoch     int // the newest in which a client saw it
	members   map[string]place
	recent    []target // the newest messages
}

// membership is a user's role as of a seq.
type place struct {
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

func newRooms() *rooms { return &rooms{byID: map[string]*room{}} }

// see learns from an event that was seen in an epoch.
func (r *rooms) see(e *event, b *body, epoch int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.byID[e.ConversationID]
	if c == nil {
		c = &room{id: e.ConversationID, members: map[string]place{}}
		r.byID[c.id] = c
		r.list = append(r.list, c)
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

func (c *room) set(user, role string, seq int64) {
	if c.members[user].seq <= seq {
		c.members[user] = place{role, seq}
	}
}

// of chooses a conversation of a user, or nil.
func (r *rooms) of(user string, rng chance, groups bool) *room {
	return r.some(rng, func(c *room) bool { return c.members[user].role != "" && (!groups || !c.direct) })
}

// open chooses a group that a user may join, or nil.
func (r *rooms) open(user string, rng chance) *room {
	return r.some(rng, func(c *room) bool { return c.groupKind.open && c.members[user].role == "" })
}

// changing chooses one of a user's groups with changing members, or nil.
func (r *rooms) changing(user string, rng chance) *room {
	return r.some(rng, func(c *room) bool { return c.groupKind != groupKind{} && c.members[user].role != "" })
}

// has returns a conversation if the user is a member, else nil.
func (r *rooms) has(user, id string) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.byID[id]; c != nil && c.members[user].role != "" {
		return c
	}
	return nil
}

// some chooses one of the conversations that fulfil a condition, or nil.
func (r *rooms) some(rng chance, fits func(*room) bool) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*room
	for _, c := range r.list {
		if fits(c) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[rng.IntN(len(list))]
}

// former chooses a conversation that a user was removed from, or nil.
func (r *rooms) former(user string, rng chance) *room {
	return r.some(rng, func(c *room) bool {
		p, was := c.members[user]
		return was && p.role == ""
	})
}

// count returns the number of conversations.
func (r *rooms) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

// lastEpoch returns the newest epoch in which a client saw a conversation; 0
// for none.
func (r *rooms) lastEpoch(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.byID[id]; c != nil {
		return c.epoch
	}
	return 0
}

// ids returns all conversations.
func (r *rooms) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, len(r.list))
	for i, c := range r.list {
		ids[i] = c.id
	}
	return ids
}

// snapshot is a conversation at one moment, its members in the order of the
// users.
type snapshot struct {
	direct    bool
	sinceJoin bool
	founder   string
	in        []string
	out       []string
	roles     map[string]string
	recent    []target
}

// look returns what is known of a conversation.
func (r *rooms) snapshot(c *room, all []*user) snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
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
