package rest

import (
	"context"
	"slices"
	"time"

	"im/domain"
)

// people is what a world knows of users beside its log.
type people struct {
	profiles    map[domain.UserID]domain.UserProfile
	preferences map[preferenceKey]domain.Preferences
	sessions    map[domain.UserID][]domain.LiveSession
	ended       []domain.EndSessions
	revoked     []domain.UserID
	blocks      []domain.Block // of everybody
}

type preferenceKey struct {
	user domain.UserID
	id   domain.ConversationID
}

var (
	_ Profiles    = (*world)(nil)
	_ Preferences = (*world)(nil)
	_ Live        = (*world)(nil)
	_ Endings     = (*world)(nil)
	_ Blocks      = (*world)(nil)
	_ Counts      = (*world)(nil)
)

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

// member refuses who is not in a conversation, backends too.
func (w *world) member(ctx context.Context, a domain.Actor, id domain.ConversationID) (*room, error) {
	return w.enter(ctx, domain.Actor{User: a.User}, id)
}

func (w *world) Preferences(ctx context.Context, a domain.Actor, id domain.ConversationID) (domain.Preferences, error) {
	p, _, err := w.SetPreferences(ctx, a, id, domain.PreferencesPatch{})
	return p, err
}

func (w *world) SetPreferences(ctx context.Context, a domain.Actor, id domain.ConversationID, want domain.PreferencesPatch) (domain.Preferences, bool, error) {
	if _, err := w.member(ctx, a, id); err != nil {
		return domain.Preferences{}, false, err
	}
	defer w.mu.Unlock()
	key := preferenceKey{a.User, id}
	before, there := w.people.preferences[key]
	if !there {
		before = domain.DefaultPreferences()
	}
	now := before
	if want.Notify != nil {
		now.Notify = *want.Notify
	}
	if want.Pinned != nil {
		now.Pinned = *want.Pinned
	}
	if want.Archived != nil {
		now.Archived = *want.Archived
	}
	if w.people.preferences == nil {
		w.people.preferences = map[preferenceKey]domain.Preferences{}
	}
	w.people.preferences[key] = now
	return now, now != before, nil
}

func (w *world) SessionsOf(_ context.Context, user domain.UserID) ([]domain.LiveSession, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]domain.LiveSession{}, w.people.sessions[user]...), w.fail
}

func (w *world) EndSession(_ context.Context, user domain.UserID, session domain.SessionID) (domain.EndSessions, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := domain.EndSessions{User: user, Session: session, Code: domain.CloseEnded}
	w.people.ended = append(w.people.ended, end)
	return end, nil
}

func (w *world) EndSessions(ctx context.Context, user domain.UserID) (domain.EndSessions, error) {
	return w.EndSession(ctx, user, "")
}

func (w *world) Revoke(_ context.Context, user domain.UserID) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.people.revoked = append(w.people.revoked, user)
	return time.Now(), nil
}

func (w *world) SetBlock(_ context.Context, _, user domain.UserID, on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.people.blocks = slices.DeleteFunc(w.people.blocks, func(b domain.Block) bool { return b.UserID == user })
	if on {
		w.people.blocks = append(w.people.blocks, domain.Block{UserID: user, Since: domain.TimeOf(w.clock)})
	}
	return nil
}

func (w *world) Blocks(_ context.Context, _ domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return page(append([]domain.Block{}, w.people.blocks...), cursor, limit)
}

func (w *world) ClusterStats(context.Context) (domain.ClusterStats, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := domain.ClusterStats{Nodes: []domain.NodeStats{}}
	for _, list := range w.people.sessions {
		c.OnlineUsers++
		c.Sessions += len(list)
	}
	return c, w.fail
}

func (w *world) MessageCount(context.Context) (n int64, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.rooms {
		n += int64(len(r.messages("")))
	}
	return n, nil
}
