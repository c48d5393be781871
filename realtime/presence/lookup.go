package presence

import (
	"context"

	"im/domain"
)

// Source is the registry of the cluster's sessions, as far as presence needs it.
type Source interface {
	// Online returns which of the users have a session that is not in the
	// background. It fails with ErrUnavailable while that is not known.
	Online(ctx context.Context, users []domain.UserID) (map[domain.UserID]bool, error)
	// MassChanges returns the number of mass changes so far: events that may change
	// the answers for many users without an announcement for each. The answers may
	// go on changing for some seconds after one.
	MassChanges() uint64
}

// Store holds who may see whose presence.
type Store interface {
	// Visibility answers the queries, in their order.
	Visibility(ctx context.Context, queries []domain.PresenceQuery) ([]domain.Visibility, error)
	// Sight records when users were last seen.
	Sight(ctx context.Context, seen []domain.LastSeen) error
}

// Lookup answers queries for presence.
type Lookup struct {
	source Source
	store  Store
}

// NewLookup returns a Lookup.
func NewLookup(source Source, store Store) *Lookup { return &Lookup{source, store} }

// Of returns the presence of users, in their order, as the actor may see it.
func (l *Lookup) Of(ctx context.Context, a domain.Actor, users []domain.UserID) ([]domain.Presence, error) {
	queries := make([]domain.PresenceQuery, len(users))
	for i, user := range users {
		queries[i] = domain.PresenceQuery{Viewer: a.User, User: user}
		if a.Backend {
			queries[i].Viewer = user // a backend sees what users see of themselves
		}
	}
	return l.query(ctx, queries)
}

// query answers the queries, in their order.
func (l *Lookup) query(ctx context.Context, queries []domain.PresenceQuery) ([]domain.Presence, error) {
	visible, err := l.store.Visibility(ctx, queries)
	if err != nil {
		return nil, err
	}
	seen := make(map[domain.UserID]struct{})
	var users []domain.UserID
	for i, q := range queries {
		if _, twice := seen[q.User]; visible[i].Visible && !twice {
			seen[q.User] = struct{}{}
			users = append(users, q.User)
		}
	}
	var online map[domain.UserID]bool
	if len(users) > 0 {
		online, err = l.source.Online(ctx, users)
	}
	list := make([]domain.Presence, len(queries))
	for i, q := range queries {
		list[i] = presenceOf(q.User, visible[i], online, err == nil)
	}
	return list, nil
}

// presenceOf combines what the store and the source say of a user. A user who may
// not be seen is offline. If the source is unavailable, Online is nil: unknown.
func presenceOf(user domain.UserID, v domain.Visibility, online map[domain.UserID]bool, known bool) domain.Presence {
	p := domain.Presence{UserID: user}
	switch {
	case !v.Visible:
		p.Online = new(bool)
		return p
	case known:
		p.Online = new(online[user])
	}
	if (p.Online == nil || !*p.Online) && !v.LastSeen.IsZero() {
		p.LastSeenAt = &v.LastSeen
	}
	return p
}
