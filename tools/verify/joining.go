package verify

import "net/http"

// groupKind says how members of a group come and go: with since_join they have
// a floor, and an open group can be joined by anyone who knows its id.
type groupKind struct{ sinceJoin, open bool }

// changingKinds are the kinds of groups with changing members.
func changingKinds() []groupKind { return []groupKind{{true, true}, {true, false}, {false, true}} }

// settings returns the settings of a group of the kind; nil for the defaults.
func (s groupKind) settings() map[string]any {
	set := map[string]any{}
	if s.sinceJoin {
		set["history"] = historySinceJoin
	}
	if s.open {
		set["joining"] = joiningOpen
	}
	return set
}

const (
	historySinceJoin = "since_join"
	joiningOpen      = "open"
)

// changeMembers chooses who joins or leaves a group with changing members, or
// nil. The founder stays, because one member must be able to read the log from
// seq 1.
func (u *user) changeMembers() *change {
	c := u.r.convs.chooseOpen(u.name, u.rng)
	if c != nil && u.rng.IntN(2) == 0 {
		return joins(c.id, u.name)
	}
	if c = u.r.convs.chooseChanging(u.name, u.rng); c == nil {
		return nil
	}
	now := u.r.convs.snapshot(c, u.r.users)
	moderates := now.roles[u.name] == "owner" || now.roles[u.name] == "admin"
	switch n := u.rng.IntN(10); {
	case moderates && len(now.out) > 0 && n < 5:
		return joins(c.id, now.out[u.rng.IntN(len(now.out))])
	case len(now.in) <= 3:
		return nil
	case moderates && n < 9:
		return now.leaves(c.id, now.in[u.rng.IntN(len(now.in))])
	default:
		return now.leaves(c.id, u.name)
	}
}

func joins(id, who string) *change {
	return &change{id, added, who, http.MethodPut, "/v1/conversations/" + id + "/members/" + who, map[string]any{"role": "member"}}
}

// leaves removes a member, or lets them leave, unless it is the founder of a
// group with a floor.
func (s *snapshot) leaves(id, who string) *change {
	if s.sinceJoin && who == s.founder {
		return nil
	}
	return &change{id, removed, who, http.MethodDelete, "/v1/conversations/" + id + "/members/" + who, nil}
}
