package verify

import (
	"slices"
	"sync"
)

// rooms are the conversations of the run as far as clients know, to choose what
// to do next. Of a conversation that is gone, the judge asks when it was last told
// of; beside that, nothing is judged by it.
type rooms struct {
	mu   sync.Mutex
	byID map[string]*room
	list []*room
}

type room struct {
	id      string
	direct  bool
	shape   shape
	founder string
	epoch   int // the newest in which anybody was told of it
	members map[string]place
	recent  []target // the newest messages
}

// place is whether somebody is in, as of a seq.
type place struct {
	role string // "" for not in
	seq  int64
}

// target is a message that something may be done to.
type target struct {
	seq    int64
	sender string
}

// maxRecent is how many of the newest messages of a conversation are remembered.
const maxRecent = 24

func newRooms() *rooms { return &rooms{byID: map[string]*room{}} }

// see learns from an event that was told in an epoch.
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
		c.direct, c.shape = isDirect(e.Body), b.Settings.shape()
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

// of chooses a conversation that a user is in; nil for none.
func (r *rooms) of(user string, rng chance, groups bool) *room {
	return r.some(rng, func(c *room) bool { return c.members[user].role != "" && (!groups || !c.direct) })
}

// open chooses a group that a user is not in and may join; nil for none.
func (r *rooms) open(user string, rng chance) *room {
	return r.some(rng, func(c *room) bool { return c.shape.open && c.members[user].role == "" })
}

// shifting chooses one of a user's groups whose members come and go; nil for none.
func (r *rooms) shifting(user string, rng chance) *room {
	return r.some(rng, func(c *room) bool { return c.shape != shape{} && c.members[user].role != "" })
}

// has returns a conversation that a user is in; nil if it is not.
func (r *rooms) has(user, id string) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.byID[id]; c != nil && c.members[user].role != "" {
		return c
	}
	return nil
}

// some chooses one of those that are as asked for; nil for none.
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

// former chooses a conversation that a user was removed from; nil for none.
func (r *rooms) former(user string, rng chance) *room {
	return r.some(rng, func(c *room) bool {
		p, was := c.members[user]
		return was && p.role == ""
	})
}

// count returns how many conversations there are.
func (r *rooms) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

// told is the newest epoch in which anybody was told of a conversation; 0 for none.
func (r *rooms) told(id string) int {
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

// scene is a conversation at a moment, its members in the order of the users.
type scene struct {
	direct    bool
	sinceJoin bool
	founder   string
	in        []string
	out       []string
	roles     map[string]string
	recent    []target
}

// look gives what is known of a conversation.
func (r *rooms) look(c *room, all []*user) scene {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := scene{
		direct: c.direct, sinceJoin: c.shape.sinceJoin, founder: c.founder, roles: map[string]string{}, recent: slices.Clone(c.recent),
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
