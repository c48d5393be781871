package rest

import (
	"context"
	"encoding/json"
	"slices"

	"im/domain"
)

// subjectOf is what events about messages have in their bodies.
type subjectOf struct {
	TargetSeq int64  `json:"target_seq"`
	Emoji     string `json:"emoji"`
}

func read(e *domain.Event) (a subjectOf) {
	if err := json.Unmarshal(e.Body, &a); err != nil {
		panic(err)
	}
	return a
}

// reactions are those that stand on a message.
func (r *room) reactions(seq int64) (list []domain.UserReaction) {
	for i := range r.events {
		e := &r.events[i]
		what := read(e)
		same := func(l domain.UserReaction) bool { return l.UserID == e.Sender && l.Emoji == what.Emoji }
		switch {
		case what.TargetSeq != seq:
		case e.Type == domain.ReactionAdded:
			list = append(list, domain.UserReaction{UserID: e.Sender, Emoji: what.Emoji, At: e.At})
		case e.Type == domain.ReactionRemoved:
			list = slices.DeleteFunc(list, same)
		}
	}
	return list
}

// messages are those of the room as they stand; what was recalled is erased.
func (r *room) messages(me domain.UserID) []domain.Message {
	list := []domain.Message{}
	for i := range r.events {
		e := &r.events[i]
		at := slices.IndexFunc(list, func(m domain.Message) bool { return m.Seq == read(e).TargetSeq })
		var err error
		switch e.Type {
		case domain.MessagePosted:
			var m domain.Message
			m, err = domain.MessageOf(e)
			_, m.Pinned = slices.BinarySearch(r.state.Pins, e.Seq)
			for _, l := range r.reactions(e.Seq) {
				m.Reactions = append(m.Reactions, domain.Reaction{Emoji: l.Emoji, Count: 1, Mine: l.UserID == me})
			}
			list = append(list, m)
		case domain.MessageEdited:
			err = list[at].Edited(e.At, e.Body)
		case domain.MessageRecalled:
			list[at].Content, list[at].Mentions, list[at].Metadata = json.RawMessage("null"), nil, nil
			list[at].Recalled = true
		}
		if err != nil {
			panic(err)
		}
	}
	return list
}

// message is what decisions need of one; nil if there is none.
func (r *room) message(seq int64) *domain.MessageState {
	for _, m := range r.messages("") {
		if m.Seq != seq {
			continue
		}
		state := &domain.MessageState{
			Seq: seq, Sender: m.Sender, Content: m.Content, Mentions: m.Mentions, Recalled: m.Recalled,
			Revision: seq, Reactions: map[domain.Reactor]bool{},
		}
		for _, l := range r.reactions(seq) {
			state.Emojis = append(state.Emojis, l.Emoji)
			state.Reactions[domain.Reactor{User: l.UserID, Emoji: l.Emoji}] = true
		}
		return state
	}
	return nil
}

func (w *world) Reactions(
	ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, cursor string, limit int,
) (domain.Page[domain.UserReaction], error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.Page[domain.UserReaction]{}, err
	}
	defer w.mu.Unlock()
	if r.message(seq) == nil {
		return domain.Page[domain.UserReaction]{}, domain.ErrNotFound
	}
	return pageOf(append([]domain.UserReaction{}, r.reactions(seq)...), cursor, limit)
}

func (w *world) Pins(
	ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int,
) (domain.Page[domain.PinnedMessage], error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.Page[domain.PinnedMessage]{}, err
	}
	defer w.mu.Unlock()
	list := []domain.PinnedMessage{}
	for _, m := range r.messages(a.User) {
		if m.Pinned {
			list = append(list, domain.PinnedMessage{Message: m, PinnedBy: "alice", PinnedAt: m.At})
		}
	}
	return pageOf(list, cursor, limit)
}
