package realtime

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"im/domain"
)

const (
	// introduceUsers is how many users are introduced to a conversation at once.
	introduceUsers = 500
	// introduceRounds is how often an introduction runs after a conversation
	// that moves on, before it leaves the rest to a gap.
	introduceRounds = 8
)

// introduce tells users who were added to a conversation while connected: of
// the conversation as they see it, and of the events from their joining on.
// Then they are members. The view is the proof that they still are.
func (h *Hub) introduce(ctx context.Context, sh *shard, e *entry) error {
	ctx, cancel := context.WithTimeout(ctx, 2*h.o.Timeout)
	defer cancel()
	asked := askedFor(sh, e)
	ids := make([]domain.UserID, 0, len(asked))
	for u := range asked {
		ids = append(ids, u.id)
	}
	views, err := h.o.Directory.Views(ctx, e.id, ids)
	if err != nil {
		return err
	}
	if err := h.catchUp(ctx, sh, e, views); err != nil {
		return err
	}
	first := dropStrangers(sh, e, asked, views)
	if first == 0 {
		return nil
	}
	return h.enterFrom(ctx, sh, e, first, views)
}

func askedFor(sh *shard, e *entry) map[*user]int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	asked := make(map[*user]int64, len(e.entering))
	for u, seq := range e.entering {
		if asked[u] = seq; len(asked) == introduceUsers {
			break
		}
	}
	return asked
}

// catchUp pushes up to the heads of the views, so that every change of
// membership that they know has been applied.
func (h *Hub) catchUp(ctx context.Context, sh *shard, e *entry, views map[domain.UserID]domain.ConversationView) error {
	var head int64
	for _, v := range views {
		head = max(head, v.HeadSeq)
	}
	sh.mu.Lock()
	e.target = max(e.target, head)
	behind := e.last < head
	sh.mu.Unlock()
	for behind {
		if err := h.fill(ctx, sh, e); err != nil {
			return err
		}
		sh.mu.Lock()
		behind = e.last < head && sh.entries[e.id] == e
		sh.mu.Unlock()
	}
	return nil
}

// dropStrangers forgets those of the asked who are no members, and returns the
// lowest joining of the others; 0 if there are none.
func dropStrangers(sh *shard, e *entry, asked map[*user]int64, views map[domain.UserID]domain.ConversationView) (first int64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for u, seq := range asked {
		joined, still := e.entering[u]
		if !still || joined != seq {
			continue
		}
		if _, member := views[u.id]; !member {
			delete(e.entering, u)
			continue
		}
		if first == 0 || seq < first {
			first = seq
		}
	}
	return first
}

// enterFrom reads the events from first on until it has all that were pushed,
// and makes the users members at that very moment.
func (h *Hub) enterFrom(ctx context.Context, sh *shard, e *entry, first int64, views map[domain.UserID]domain.ConversationView) error {
	told := story{first: first, joined: make(map[domain.UserID]int64)}
	for round := 0; ; round++ {
		held := first + int64(len(told.frames)) - 1
		sh.mu.Lock()
		upto := e.last
		if held >= upto || round == introduceRounds || told.size > domain.PageBytes {
			made := makeMembers(e, told, views)
			sh.mu.Unlock()
			if made == 0 {
				return errOutdated
			}
			return nil
		}
		sh.mu.Unlock()
		events, err := h.o.Log.LogRange(ctx, e.id, held, upto)
		if err != nil {
			return err
		}
		if len(events) == 0 || events[0].Seq != held+1 {
			return errHole
		}
		for i := range events {
			told.add(h.o.Logger, &events[i])
		}
	}
}

// story is what was read from the log for an introduction.
type story struct {
	first  int64
	frames []wire  // the events from first on
	edits  []shown // those that are edits
	size   int
	joined map[domain.UserID]int64 // the latest joining of each user
}

func (t *story) add(logger *slog.Logger, ev *domain.Event) {
	s := shown{event: ev, target: ev.EditOf(), whole: eventFrame(ev)}
	t.frames = append(t.frames, s.whole)
	if s.target > 0 {
		t.edits = append(t.edits, s)
	}
	t.size += ev.Size()
	for user, enters := range affected(logger, ev) {
		if enters {
			t.joined[user] = ev.Seq
		}
	}
}

// to returns the events from first on as who may read from floor on sees them. All
// who may read everything share them.
func (t *story) to(first, floor int64) []wire {
	frames, shared := t.frames[first-t.first:], true
	for i := range t.edits {
		edit := &t.edits[i]
		if edit.event.Seq < first || edit.target >= floor {
			continue
		}
		if shared {
			frames, shared = slices.Clone(frames), false
		}
		frames[edit.event.Seq-first] = edit.from(floor)
	}
	return frames
}

// makeMembers ends the introduction of all entering users who have a view of
// their present joining, and returns how many; the shard's lock is held. Of a
// story that does not reach the last event nothing is told: it may end before
// the joining.
func makeMembers(e *entry, told story, views map[domain.UserID]domain.ConversationView) (made int) {
	complete := told.first+int64(len(told.frames)) > e.last
	for u, seq := range e.entering {
		view, ok := views[u.id]
		if !ok || view.HeadSeq < seq || seq < told.first {
			continue
		}
		if view.Events == nil {
			view.Events = []domain.Event{}
		}
		in := introduction{
			id: e.id, conversation: jsonFrame(conversationFrame{Type: "conversation", Conversation: view}),
			first: max(seq, told.joined[u.id]), head: e.last,
		}
		e.learn(view.HeadSeq, view.Settings.History == domain.HistorySinceJoin)
		m := membership{e.last, max(view.JoinedSeq, told.joined[u.id])}
		if complete {
			in.events = told.to(in.first, e.floor(m))
		}
		delete(e.entering, u)
		if u.introduce(in) {
			e.members[u] = m
		}
		made++
	}
	return made
}

// errOutdated: the views are older than the joinings, or everybody has left.
var errOutdated = errors.New("the view is out of date")
