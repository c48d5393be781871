package realtime

import (
	"context"
	"time"

	"im/domain"
)

// admission is what the gateway adds to the letting in of a session.
type admission struct {
	// judge judges the session's token by since when tokens of its user are good.
	judge func(before time.Time) error
	// register enters the session in the registry of the cluster.
	register func(context.Context, domain.SessionEntry) error
	// welcome encodes the session's first frame.
	welcome func(epoch string) wire
}

// join lets a session in: what is committed after its welcome is pushed, what
// was committed before is in its sync. It registers first and reads second, so
// that nothing falls between; until it is in, others may see it listed. After an
// error, too, leave has to be called.
//
// The token is judged twice. At first, so that one that was revoked before does not
// replace a session that is good. Then when the session can be ended: who revokes the
// token meanwhile either ends it or is seen now.
func (h *Hub) join(ctx context.Context, s *session, a admission) error {
	var err error
	if s.epoch, err = h.awaitEpoch(ctx); err != nil {
		return err
	}
	admitted, err := h.o.Directory.Admit(ctx, s.user)
	if err != nil {
		return err
	}
	if err := a.judge(admitted.RevokedBefore); err != nil {
		return err
	}
	s.number = admitted.Number
	u, err := h.users.add(s, h.o.Limits.SessionsPerUser, h.o.Single)
	if err != nil {
		return err
	}
	if err := a.register(ctx, s.entry()); err != nil {
		return err
	}
	before, err := h.enterFirst(ctx, u, s.epoch)
	if err != nil {
		return err
	}
	if err := a.judge(before); err != nil {
		return err
	}
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if h.epoch != s.epoch || !u.golive(s, a.welcome(h.epoch)) {
		return domain.ErrUnavailable.WithMessage("the epoch has changed")
	}
	return nil
}

// awaitEpoch waits for an epoch where there is none, which is at the start of a
// node and when a new one has begun, for a moment.
func (h *Hub) awaitEpoch(ctx context.Context) (string, error) {
	for {
		h.epochMu.RLock()
		epoch, begun := h.epoch, h.begun
		h.epochMu.RUnlock()
		if epoch != "" {
			return epoch, nil
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return "", domain.ErrUnavailable.WithCause(ctx.Err())
		}
	}
}

// judgeRenewal asks whether the token that renews a session has been revoked. Who
// revokes ends the sessions there are, whatever they are renewed with: where there is
// no answer soon, this one goes on.
func (h *Hub) judgeRenewal(ctx context.Context, id *domain.Identity) error {
	ctx, cancel := context.WithTimeout(ctx, renewalPatience)
	defer cancel()
	before, err := h.o.Directory.RevokedBefore(ctx, id.User)
	if err != nil {
		h.o.Logger.Warn("session renewed without a look at revocations", "user", id.User, "error", err)
		return nil
	}
	return id.CheckRevoked(before)
}

// renewalPatience is short: what the session asks meanwhile waits.
const renewalPatience = time.Second

// enterFirst has the hub know the user's conversations, if this is the first session
// of the user, and returns since when tokens of the user are good. Sessions that come
// while the first one reads wait for it; what they ask themselves they ask together.
func (h *Hub) enterFirst(ctx context.Context, u *user, epoch string) (revokedBefore time.Time, err error) {
	release, err := u.take(ctx)
	if err != nil {
		return revokedBefore, err
	}
	if !u.isJoined() {
		defer release()
		return h.enterAll(ctx, u, epoch)
	}
	release()
	return h.o.Directory.RevokedBefore(ctx, u.id)
}

// enterAll reads the user's conversations and makes the user a member of each,
// from the head that was read on. Where an event that came meanwhile tells more
// than the list, the event is right. Where an entry begins above what the list has
// seen, the list is read again.
func (h *Hub) enterAll(ctx context.Context, u *user, epoch string) (revokedBefore time.Time, err error) {
	var older map[domain.ConversationID]struct{} // of which the list was too old; nil: all
	for older == nil || len(older) > 0 {
		read, err := h.o.Directory.Memberships(ctx, u.id)
		if err != nil {
			return revokedBefore, err
		}
		if older, err = h.enterListed(u, read, older, epoch); err != nil {
			return revokedBefore, err
		}
		revokedBefore = read.RevokedBefore
	}
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if h.epoch != epoch {
		return revokedBefore, domain.ErrUnavailable.WithMessage("the epoch has changed")
	}
	for id, n := range u.settled() {
		if n.enters {
			h.enterLate(u, id, n.seq)
		}
	}
	return revokedBefore, nil
}

// enterListed makes the user a member of those that are listed and, unless that is
// nil, among some; and returns those of which the list was too old.
func (h *Hub) enterListed(u *user, read domain.Memberships, some map[domain.ConversationID]struct{}, epoch string) (older map[domain.ConversationID]struct{}, err error) {
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if read.Epoch != epoch || h.epoch != epoch {
		h.readFeedSoon()
		return nil, domain.ErrUnavailable.WithMessage("the epoch has changed")
	}
	older = map[domain.ConversationID]struct{}{}
	for _, m := range read.List {
		if _, among := some[m.ConversationID]; some != nil && !among {
			continue
		}
		if !h.enterOne(u, m) {
			older[m.ConversationID] = struct{}{}
		}
	}
	return older, nil
}

// enterOne makes the user a member, if nothing is known that says otherwise; false
// if that cannot be told: between the list and where the entry begins the user may
// have been removed.
func (h *Hub) enterOne(u *user, m domain.Membership) bool {
	sh := h.shard(m.ConversationID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[m.ConversationID]
	if e != nil && e.began > m.HeadSeq {
		return false
	}
	if !u.admit(m) {
		return true
	}
	if e == nil {
		e = sh.track(m.ConversationID, m.HeadSeq)
	}
	e.learn(m.HeadSeq, m.SinceJoin)
	e.members[u] = membership{m.HeadSeq, m.JoinedSeq}
	return true
}

// enterLate begins the introduction of a user who was added while the list was
// being read.
func (h *Hub) enterLate(u *user, id domain.ConversationID, seq int64) {
	sh := h.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[id]
	if e == nil {
		e = sh.track(id, seq-1)
	}
	if e.last >= seq {
		e.enter(u, seq)
	} else {
		e.target = max(e.target, seq) // the event itself begins it
	}
	h.settle(sh, e)
}

// leave takes a session out. It may be called again, and for a session that
// never came in.
func (h *Hub) leave(s *session) {
	if s.home == nil {
		return
	}
	u := s.home
	for _, id := range h.users.remove(s) {
		sh := h.shard(id)
		sh.mu.Lock()
		if e := sh.entries[id]; e != nil {
			delete(e.members, u)
			h.settle(sh, e)
		}
		sh.mu.Unlock()
	}
}
