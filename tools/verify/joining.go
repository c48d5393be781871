package verify

import "net/http"

// shape is of which kind a group is: those of since_join have a floor, the open ones
// are joined by whoever knows them.
type shape struct{ sinceJoin, open bool }

// shifting are the shapes of groups whose members come and go.
func shifting() []shape { return []shape{{true, true}, {true, false}, {false, true}} }

// settings are those of a group of the shape, nil for the default ones.
func (s shape) settings() map[string]any {
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

// shift chooses who comes into, or goes from, a group whose members do so; nil for
// nobody. Its founder stays: somebody must be able to read the log from 1 on.
func (u *user) shift() *change {
	c := u.r.rooms.open(u.name, u.rng)
	if c != nil && u.rng.IntN(2) == 0 {
		return joins(c.id, u.name)
	}
	if c = u.r.rooms.shifting(u.name, u.rng); c == nil {
		return nil
	}
	now := u.r.rooms.look(c, u.r.users)
	leads := now.roles[u.name] == "owner" || now.roles[u.name] == "admin"
	switch n := u.rng.IntN(10); {
	case leads && len(now.out) > 0 && n < 5:
		return joins(c.id, now.out[u.rng.IntN(len(now.out))])
	case len(now.in) <= 3:
		return nil
	case leads && n < 9:
		return now.goes(c.id, now.in[u.rng.IntN(len(now.in))])
	default:
		return now.goes(c.id, u.name)
	}
}

func joins(id, who string) *change {
	return &change{id, added, who, http.MethodPut, "/v1/conversations/" + id + "/members/" + who, map[string]any{"role": "member"}}
}

// goes has somebody leave or be removed, unless it is the founder of a group with a
// floor.
func (s *scene) goes(id, who string) *change {
	if s.sinceJoin && who == s.founder {
		return nil
	}
	return &change{id, removed, who, http.MethodDelete, "/v1/conversations/" + id + "/members/" + who, nil}
}
