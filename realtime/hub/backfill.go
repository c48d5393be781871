package hub

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"

	"im/domain"
	"im/realtime/wire"
)

const (
	// maxJoining is how many users are added to a conversation at once.
	maxJoining = 500
	// maxBackfillRounds is how often a backfill reads on in a conversation that
	// goes on growing, before it leaves the rest to a gap.
	maxBackfillRounds = 8
	// maxRemovalRounds is how many pages of a log are read for a removal that must be
	// in it.
	maxRemovalRounds = 100
)

// addJoining makes members of the local users who were added to a conversation
// while they were connected. It sends them the conversation as they see it, and the
// events since their joining. A view proves that a user is still a member.
func (h *Hub) addJoining(ctx context.Context, sh *shard, v *conversation) error {
	ctx, cancel := context.WithTimeout(ctx, 2*h.o.Timeout)
	defer cancel()
	joining := someJoining(sh, v)
	ids := make([]domain.UserID, 0, len(joining))
	for u := range joining {
		ids = append(ids, u.id)
	}
	views, err := h.o.Directory.Views(ctx, v.id, ids)
	if err != nil {
		return err
	}
	if err := h.catchUp(ctx, sh, v, views); err != nil {
		return err
	}
	first, removed := splitJoining(sh, v, joining, views)
	if err := h.tellRemovals(ctx, sh, v, removed); err != nil {
		return err
	}
	if first == 0 {
		return nil
	}
	return h.backfill(ctx, sh, v, first, views)
}

func someJoining(sh *shard, v *conversation) map[*user]int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	some := make(map[*user]int64, len(v.joining))
	for u, seq := range v.joining {
		if some[u] = seq; len(some) == maxJoining {
			break
		}
	}
	return some
}

// catchUp pushes up to the heads of the views, so that all changes of membership
// that the views know have been applied.
func (h *Hub) catchUp(ctx context.Context, sh *shard, v *conversation, views map[domain.UserID]domain.ConversationView) error {
	var head int64
	for _, view := range views {
		head = max(head, view.HeadSeq)
	}
	sh.mu.Lock()
	v.head = max(v.head, head)
	behind := v.pushed < head
	sh.mu.Unlock()
	for behind {
		if err := h.fillHole(ctx, sh, v); err != nil {
			return err
		}
		sh.mu.Lock()
		behind = v.pushed < head && sh.conversations[v.id] == v
		sh.mu.Unlock()
	}
	return nil
}

// splitJoining returns the lowest seq at which one of the joining users with a view joined,
// 0 if there are none, and the users without a view: they were removed again. It skips users
// who have left or joined again since they were looked up.
func splitJoining(sh *shard, v *conversation, joining map[*user]int64, views map[domain.UserID]domain.ConversationView) (first int64, removed map[*user]int64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	removed = make(map[*user]int64)
	for u, seq := range joining {
		latest, still := v.joining[u]
		if !still || latest != seq {
			continue
		}
		if _, member := views[u.id]; !member {
			removed[u] = seq
			continue
		}
		if first == 0 || seq < first {
			first = seq
		}
	}
	return first, removed
}

// tellRemovals tells joining users of the first removal after they were added, which it
// reads from the log, and forgets them. It does not wait until the hub has come to the
// removal: the hub may have passed it already.
func (h *Hub) tellRemovals(ctx context.Context, sh *shard, v *conversation, removed map[*user]int64) error {
	if len(removed) == 0 {
		return nil
	}
	since := make(map[domain.UserID]int64, len(removed))
	for u, seq := range removed {
		since[u.id] = seq
	}
	removals := make(map[domain.UserID]*domain.Event, len(removed))
	after := slices.Min(slices.Collect(maps.Values(removed)))
	for range maxRemovalRounds {
		events, err := h.o.Log.LogRange(ctx, v.id, after, math.MaxInt64)
		if err != nil {
			return err
		}
		for i := range events {
			ev := &events[i]
			after = ev.Seq
			for id, added := range membershipChanges(h.o.Logger, ev) {
				if seq, wanted := since[id]; wanted && !added && ev.Seq > seq && removals[id] == nil {
					removals[id] = ev
				}
			}
		}
		if len(events) == 0 || len(removals) >= len(removed) {
			break
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for u, seq := range removed {
		if latest, still := v.joining[u]; !still || latest != seq {
			continue
		}
		delete(v.joining, u)
		if ev := removals[u.id]; ev != nil {
			u.tellRemoved(ev)
		}
	}
	return nil
}

// backfill reads the events from first on until it holds all that were pushed.
// At that moment, under the lock, it makes the users members, so no event is
// missed or sent twice.
func (h *Hub) backfill(ctx context.Context, sh *shard, v *conversation, first int64, views map[domain.UserID]domain.ConversationView) error {
	read := backfill{first: first, joined: make(map[domain.UserID]int64)}
	for round := 0; ; round++ {
		sh.mu.Lock()
		upto := v.pushed
		if read.last() >= upto || round == maxBackfillRounds || read.size > domain.PageBytes {
			added := addMembers(v, read, views)
			sh.mu.Unlock()
			if added == 0 {
				return errOutdated
			}
			return nil
		}
		sh.mu.Unlock()
		events, err := h.o.Log.LogRange(ctx, v.id, read.last(), upto)
		if err != nil {
			return err
		}
		if len(events) == 0 || events[0].Seq != read.last()+1 {
			return errHole
		}
		for i := range events {
			read.add(h.o.Logger, &events[i])
		}
	}
}

// backfill is what was read from the log for users who join: events without a
// hole, encoded.
type backfill struct {
	first  int64
	frames []wire.Frame
	edits  []encodedEvent // those of the events that are edits
	size   int            // about, in bytes
	joined map[domain.UserID]int64
}

// last returns the seq of the last event.
func (b *backfill) last() int64 { return b.first + int64(len(b.frames)) - 1 }

func (b *backfill) add(logger *slog.Logger, ev *domain.Event) {
	e := encodedEvent{event: ev, target: ev.EditOf(), full: wire.Event(ev)}
	b.frames = append(b.frames, e.full)
	if e.target > 0 {
		b.edits = append(b.edits, e)
	}
	b.size += ev.Size()
	for user, added := range membershipChanges(logger, ev) {
		if added {
			b.joined[user] = ev.Seq
		}
	}
}

// from returns the events from seq on for a user who may read from floor on. All
// users who may read everything share the frames.
func (b *backfill) from(seq, floor int64) []wire.Frame {
	frames, shared := b.frames[seq-b.first:], true
	for i := range b.edits {
		edit := &b.edits[i]
		if edit.event.Seq < seq || edit.target >= floor {
			continue
		}
		if shared {
			frames, shared = slices.Clone(frames), false
		}
		frames[edit.event.Seq-seq] = edit.readableFrom(floor)
	}
	return frames
}

// addMembers makes members of the joining users whose view includes their latest
// joining, and returns their number. It requires the shard's lock. If the backfill
// does not reach the last event pushed, it sends a gap instead of events, because
// the backfill may end before the joining.
func addMembers(v *conversation, read backfill, views map[domain.UserID]domain.ConversationView) (added int) {
	complete := read.last() >= v.pushed
	for u, seq := range v.joining {
		view, ok := views[u.id]
		if !ok || view.HeadSeq < seq || seq < read.first {
			continue
		}
		if view.Events == nil {
			view.Events = []domain.Event{}
		}
		frames := joinFrames{
			id: v.id, conversation: wire.Conversation(view),
			first: max(seq, read.joined[u.id]), head: v.pushed,
		}
		v.setSinceJoin(view.HeadSeq, view.Settings.History == domain.HistorySinceJoin)
		m := membership{after: v.pushed, joined: max(view.JoinedSeq, read.joined[u.id])}
		if complete {
			frames.events = read.from(frames.first, v.floor(m))
		}
		delete(v.joining, u)
		if u.join(frames) {
			v.members[u] = m
		}
		added++
	}
	return added
}

// errOutdated: the views are older than the joinings, or all users have left.
var errOutdated = errors.New("the views of a conversation are older than the joining of its members")
