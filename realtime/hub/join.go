package hub

import (
	"context"
	"time"

	"im/domain"
	"im/realtime/wire"
)

// JoinSteps are the caller's part in a join.
type JoinSteps struct {
	// CheckStanding checks the session's token, given the revocation and the ban of its
	// user.
	CheckStanding func(domain.Standing) error
	// Register enters the session in the registry of the cluster.
	Register func(context.Context, domain.SessionEntry) error
	// Welcome encodes the session's first frame.
	Welcome func(epoch string) wire.Frame
}

// Join adds a session and lets it go live: what is committed after its welcome
// is pushed, what was committed before is in its sync. It registers the session
// first and reads the conversations second, so that no event falls between; until
// it is live, the session is already listed. After an error, too, call Leave.
//
// The token is checked twice. First, so that a session whose token is not accepted
// does not replace one that is in order. Again once the session is registered:
// a revocation or a ban in between has either ended the session or is seen now.
func (h *Hub) Join(ctx context.Context, s *Session, steps JoinSteps) error {
	var err error
	if s.epoch, err = h.awaitEpoch(ctx); err != nil {
		return err
	}
	admitted, err := h.o.Directory.Admit(ctx, s.User)
	if err != nil {
		return err
	}
	if err := steps.CheckStanding(admitted.Standing); err != nil {
		return err
	}
	s.number = admitted.Number
	u, err := h.users.add(s, h.o.Limits.SessionsPerUser, h.o.Single)
	if err != nil {
		return err
	}
	if err := steps.Register(ctx, s.Entry()); err != nil {
		return err
	}
	standing, err := h.listOnce(ctx, u, s.epoch)
	if err != nil {
		return err
	}
	if err := steps.CheckStanding(standing); err != nil {
		return err
	}
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if h.epoch != s.epoch || !u.goLive(s, steps.Welcome(h.epoch)) {
		return errEpochChanged()
	}
	return nil
}

func errEpochChanged() error { return domain.ErrUnavailable.WithMessage("the epoch has changed") }

// awaitEpoch waits until there is an epoch. There is none when a node starts and,
// for a moment, after a new one has begun.
func (h *Hub) awaitEpoch(ctx context.Context) (string, error) {
	for {
		h.epochMu.RLock()
		epoch, known := h.epoch, h.known
		h.epochMu.RUnlock()
		if epoch != "" {
			return epoch, nil
		}
		select {
		case <-known:
		case <-ctx.Done():
			return "", domain.ErrUnavailable.WithCause(ctx.Err())
		}
	}
}

// renewalTimeout is short because the session's other requests wait.
const renewalTimeout = time.Second

// CheckRenewal checks whether the token that renews a session is revoked, or its user
// banned. If the directory does not answer soon, the token is accepted: revocations and
// bans also end the sessions that there are.
func (h *Hub) CheckRenewal(ctx context.Context, id *domain.Identity) error {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	standing, err := h.o.Directory.StandingOf(ctx, id.User)
	if err != nil {
		h.o.Logger.Warn("session renewed without a check of revocations: the database did not answer", "user", id.User, "error", err)
		return nil
	}
	return standing.Check(*id)
}

// listOnce lists the user's conversations if this is the user's first session. It
// returns the standing of the user. Further sessions wait for the first one to finish.
func (h *Hub) listOnce(ctx context.Context, u *user, epoch string) (standing domain.Standing, err error) {
	unlock, err := u.lockListing(ctx)
	if err != nil {
		return standing, err
	}
	if !u.isListed() {
		defer unlock()
		return h.list(ctx, u, epoch)
	}
	unlock()
	return h.o.Directory.StandingOf(ctx, u.id)
}

// list reads the user's conversations and makes the user a member of each, from
// the head in the list on. An event that comes in the course of it overrides the
// list. Conversations that the hub tracks from above the list's head are read
// again, because the list does not show what happened in between.
func (h *Hub) list(ctx context.Context, u *user, epoch string) (standing domain.Standing, err error) {
	var outdated map[domain.ConversationID]struct{} // to read again; nil the first time
	for outdated == nil || len(outdated) > 0 {
		read, err := h.o.Directory.Memberships(ctx, u.id)
		if err != nil {
			return standing, err
		}
		if outdated, err = h.addListed(u, read, outdated, epoch); err != nil {
			return standing, err
		}
		standing = read.Standing
	}
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if h.epoch != epoch {
		return standing, errEpochChanged()
	}
	for id, c := range u.setListed() {
		if c.added {
			h.addLate(u, id, c.seq)
		}
	}
	return standing, nil
}

// addListed makes the user a member of the listed conversations (only of those
// in only, if it is not nil). It returns the ones whose listed head is outdated.
func (h *Hub) addListed(u *user, read domain.Memberships, only map[domain.ConversationID]struct{}, epoch string) (outdated map[domain.ConversationID]struct{}, err error) {
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if read.Epoch != epoch || h.epoch != epoch {
		h.readFeedSoon()
		return nil, errEpochChanged()
	}
	outdated = map[domain.ConversationID]struct{}{}
	for _, m := range read.List {
		if _, wanted := only[m.ConversationID]; only != nil && !wanted {
			continue
		}
		if !h.addMember(u, m) {
			outdated[m.ConversationID] = struct{}{}
		}
	}
	return outdated, nil
}

// addMember makes the user a member of a listed conversation, unless a later
// change is known. It reports false if the list is outdated: between the listed
// head and base the user may have been removed.
func (h *Hub) addMember(u *user, m domain.Membership) bool {
	sh := h.shard(m.ConversationID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v := sh.conversations[m.ConversationID]
	if v != nil && v.base > m.HeadSeq {
		return false
	}
	if !u.addListed(m) {
		return true
	}
	if v == nil {
		v = sh.track(m.ConversationID, m.HeadSeq)
	}
	v.setSinceJoin(m.HeadSeq, m.SinceJoin)
	v.members[u] = membership{after: m.HeadSeq, joined: m.JoinedSeq}
	return true
}

// addLate handles an addition that came while the list was being read: it lets the
// user join the conversation.
func (h *Hub) addLate(u *user, id domain.ConversationID, seq int64) {
	sh := h.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v := sh.conversations[id]
	if v == nil {
		v = sh.track(id, seq-1)
	}
	if v.pushed >= seq {
		v.addJoining(u, seq)
	} else {
		v.head = max(v.head, seq) // the event will add the user
	}
	h.schedule(sh, v)
}

// Leave removes a session. It may be called repeatedly, and for a session that
// did not join.
func (h *Hub) Leave(s *Session) {
	if s.user == nil {
		return
	}
	u := s.user
	for _, id := range h.users.remove(s) {
		sh := h.shard(id)
		sh.mu.Lock()
		if v := sh.conversations[id]; v != nil {
			delete(v.members, u)
			h.schedule(sh, v)
		}
		sh.mu.Unlock()
	}
}
