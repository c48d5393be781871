package rest

import (
	"context"

	"im/domain"
)

// people is what a world knows of users beside its log.
type people struct {
	profiles map[domain.UserID]domain.UserProfile
}

var _ Profiles = (*world)(nil)

// share tells whether two users are in one conversation; the world is locked.
func (w *world) share(a, b domain.UserID) bool {
	for _, r := range w.rooms {
		_, here := r.state.Member(a)
		_, there := r.state.Member(b)
		if here && there {
			return true
		}
	}
	return false
}

func (w *world) Users(_ context.Context, a domain.Actor, users []domain.UserID) (map[domain.UserID]domain.UserProfile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[domain.UserID]domain.UserProfile{}
	for _, user := range users {
		p, known := w.people.profiles[user]
		if known && (a.Backend || user == a.User || w.share(a.User, user)) {
			found[user] = p
		}
	}
	return found, nil
}

func (w *world) PutProfile(_ context.Context, user domain.UserID, p domain.UserProfile) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.people.profiles == nil {
		w.people.profiles = map[domain.UserID]domain.UserProfile{}
	}
	w.people.profiles[user] = p
	return nil
}
