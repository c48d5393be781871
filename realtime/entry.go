package realtime

import (
	"encoding/json"
	"iter"
	"log/slog"

	"im/domain"
)

// entry is a conversation that has members on this node, or may have in a
// moment. Its shard's lock guards it.
type entry struct {
	id domain.ConversationID
	// began is where the entry began: what comes above it is pushed in order,
	// and applied to the membership. What is at or below it may yet let somebody
	// in who is here, and whose list of conversations was read before.
	began int64
	// last is the highest seq that was pushed.
	last int64
	// target is the highest seq that is known to exist. While it is above last
	// a job reads the log.
	target int64
	// members are the local members.
	members map[*user]membership
	// entering are local users who were added while they were connected, each
	// with the seq of the joining. They become members when they have been told
	// of the conversation.
	entering map[*user]int64
	// unread is the lowest seq at or below began that the feed names for a change
	// of membership; 0 for none.
	unread int64
	// sinceJoin: members may not read what is older than their joining, as was
	// learned as of the seq learned. It is known where there are members.
	sinceJoin bool
	learned   int64
	// busy: a job for it is queued or running. stalled: one has failed and
	// waits for the next tick.
	busy, stalled bool
}

// membership is what the hub knows of a member.
type membership struct {
	from   int64 // up to here it needs no pushes: what was committed before it came is in its sync
	joined int64 // the seq of its latest joining
}

// track begins an entry; sh.mu is held.
func (sh *shard) track(id domain.ConversationID, last int64) *entry {
	e := &entry{id: id, began: last, last: last, target: last, members: make(map[*user]membership, 1)}
	sh.entries[id] = e
	return e
}

// settle does what a changed entry asks for: reading, or being forgotten.
func (h *Hub) settle(sh *shard, e *entry) {
	switch {
	case e.busy || e.stalled:
	case e.lacks():
		e.busy = true
		h.jobs.add(e.id)
	case len(e.members) == 0:
		delete(sh.entries, e.id)
	}
}

// lacks tells whether something has to be read for the entry.
func (e *entry) lacks() bool { return e.target > e.last || e.unread > 0 || len(e.entering) > 0 }

// apply pushes events in order: it drops those that were pushed, and stops
// before a hole, which a job will fill. The shard's lock is held.
func (h *Hub) apply(e *entry, events []domain.Event) {
	for i := range events {
		switch ev := &events[i]; {
		case ev.Seq <= e.began:
			h.applyMembership(e, ev)
		case ev.Seq <= e.last:
		case ev.Seq == e.last+1:
			h.deliver(e, ev)
		default:
			e.target = max(e.target, events[len(events)-1].Seq)
			return
		}
	}
}

// deliver pushes the next event to the local members, those who leave with it
// included, and then applies it to the membership.
func (h *Hub) deliver(e *entry, ev *domain.Event) {
	e.last = ev.Seq
	e.target = max(e.target, ev.Seq)
	if len(e.members) > 0 {
		s := e.show(ev)
		for u, m := range e.members {
			if ev.Seq > m.from {
				u.event(e.id, ev.Seq, s.from(e.floor(m)))
			}
		}
	}
	if ev.Type == domain.ConversationUpdated {
		h.applySettings(e, ev)
	}
	h.applyMembership(e, ev)
}

func (h *Hub) applySettings(e *entry, ev *domain.Event) {
	var body domain.UpdatedBody
	readBody(h.o.Logger, ev, &body)
	if body.Settings != nil {
		e.learn(ev.Seq, body.Settings.History == domain.HistorySinceJoin)
	}
}

// applyMembership lets local users in and out with an event. With one at or
// below began this may happen again, and late; then it only makes sure that the
// directory is asked.
func (h *Hub) applyMembership(e *entry, ev *domain.Event) {
	for id, enters := range affected(h.o.Logger, ev) {
		h.watches.moved(id)
		u := h.users.get(id)
		if u == nil {
			continue
		}
		joining := u.note(e.id, ev.Seq, enters)
		switch {
		case !enters:
			e.leave(u, ev.Seq)
		case !joining:
			e.enter(u, ev.Seq)
		}
	}
}

func (e *entry) enter(u *user, seq int64) {
	if _, member := e.members[u]; member {
		return // a member since later than seq, as its list of conversations says
	}
	if e.entering == nil {
		e.entering = make(map[*user]int64, 1)
	}
	e.entering[u] = max(e.entering[u], seq)
}

func (e *entry) leave(u *user, seq int64) {
	if m, member := e.members[u]; member && seq > m.from {
		delete(e.members, u)
		u.forget(e.id)
	}
	if e.entering[u] < seq {
		delete(e.entering, u)
	}
}

// affected yields the users whom an event lets in (true) or out.
func affected(logger *slog.Logger, ev *domain.Event) iter.Seq2[domain.UserID, bool] {
	return func(yield func(domain.UserID, bool) bool) {
		switch ev.Type {
		case domain.ConversationCreated:
			var body domain.CreatedBody
			readBody(logger, ev, &body)
			for _, m := range body.Members {
				if !yield(m.UserID, true) {
					return
				}
			}
		case domain.MemberAdded, domain.MemberRemoved:
			var body domain.MemberRole
			readBody(logger, ev, &body)
			yield(body.UserID, ev.Type == domain.MemberAdded)
		}
	}
}

func readBody(logger *slog.Logger, ev *domain.Event, body any) {
	if err := json.Unmarshal(ev.Body, body); err != nil {
		logger.Error("event body unreadable", "conversation", ev.ConversationID.String(), "seq", ev.Seq, "error", err)
	}
}
