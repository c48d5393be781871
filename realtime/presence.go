package realtime

import (
	"context"

	"im/domain"
)

// Whereabouts is the map of sessions of the whole cluster, as far as presence
// needs it.
type Whereabouts interface {
	// Online tells which of the users have a session that is not in the
	// background. It fails with ErrUnavailable while that cannot be known.
	Online(ctx context.Context, users []domain.UserID) (map[domain.UserID]bool, error)
	// MassChanges counts what may have changed the answers for many users at once
	// and is announced by nobody. For some seconds after, they may change again.
	MassChanges() uint64
	// Reregister makes it known that a session has gone to the background, or
	// come back from there.
	Reregister(ctx context.Context, s domain.SessionEntry)
}

// VisibilityStore knows who may see whose presence.
type VisibilityStore interface {
	// Visibility answers each of the glances, in their order.
	Visibility(ctx context.Context, glances []domain.PresenceQuery) ([]domain.Visibility, error)
	// Sight notes when users were online.
	Sight(ctx context.Context, sightings []domain.LastSeen) error
}

// Presence tells who is online, to those who may know.
type Presence struct {
	where Whereabouts
	known VisibilityStore
}

// NewPresence returns a Presence; it starts nothing.
func NewPresence(where Whereabouts, known VisibilityStore) *Presence { return &Presence{where, known} }

// Of returns the presence of users, in their order, as the actor may see it.
func (p *Presence) Of(ctx context.Context, a domain.Actor, users []domain.UserID) ([]domain.Presence, error) {
	glances := make([]domain.PresenceQuery, len(users))
	for i, user := range users {
		glances[i] = domain.PresenceQuery{Viewer: a.User, User: user}
		if a.Backend {
			glances[i].Viewer = user // a backend may see what everybody sees of themselves
		}
	}
	return p.look(ctx, glances)
}

// look answers each of the glances, in their order.
func (p *Presence) look(ctx context.Context, glances []domain.PresenceQuery) ([]domain.Presence, error) {
	visible, err := p.known.Visibility(ctx, glances)
	if err != nil {
		return nil, err
	}
	once := make(map[domain.UserID]struct{})
	var users []domain.UserID
	for i, g := range glances {
		if _, twice := once[g.User]; visible[i].Visible && !twice {
			once[g.User] = struct{}{}
			users = append(users, g.User)
		}
	}
	var online map[domain.UserID]bool
	if len(users) > 0 {
		online, err = p.where.Online(ctx, users)
	}
	list := make([]domain.Presence, len(glances))
	for i, g := range glances {
		list[i] = seenBy(g, visible[i], online, err != nil)
	}
	return list, nil
}

func seenBy(g domain.PresenceQuery, a domain.Visibility, online map[domain.UserID]bool, unknown bool) domain.Presence {
	p := domain.Presence{UserID: g.User}
	switch {
	case !a.Visible:
		p.Online = new(bool)
		return p
	case !unknown:
		p.Online = new(online[g.User])
	}
	if (p.Online == nil || !*p.Online) && !a.LastSeen.IsZero() {
		p.LastSeenAt = &a.LastSeen
	}
	return p
}
