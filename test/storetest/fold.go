package storetest

import (
	"encoding/json"
	"slices"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// MessageFold is the state of the messages of a log at some seq.
type MessageFold struct {
	Messages  map[int64]*domain.Message
	reactions map[int64][]domain.Event // in force, in their order
	pins      []domain.Event           // in force, in their order
}

// Fold folds the events up to a seq. It is independent of domain.Fold.
func Fold(events []domain.Event, upto int64) MessageFold {
	f := MessageFold{Messages: map[int64]*domain.Message{}, reactions: map[int64][]domain.Event{}}
	for i := range events {
		e := events[i]
		if e.Seq > upto {
			break
		}
		var body struct {
			TargetSeq int64 `json:"target_seq"`
			Emoji     string
		}
		must(json.Unmarshal(e.Body, &body))
		body.Emoji = domain.NormalizeEmoji(body.Emoji)
		same := func(other domain.Event) bool {
			var b struct {
				TargetSeq int64 `json:"target_seq"`
				Emoji     string
			}
			must(json.Unmarshal(other.Body, &b))
			b.Emoji = domain.NormalizeEmoji(b.Emoji)
			return b == body && (other.Sender == e.Sender || b.Emoji == "")
		}
		switch e.Type {
		case domain.MessagePosted:
			m, err := domain.MessageOf(&e)
			must(err)
			f.Messages[e.Seq] = &m
		case domain.MessageEdited:
			must(f.Messages[body.TargetSeq].Edited(e.At, e.Body))
		case domain.ReactionAdded:
			f.reactions[body.TargetSeq] = append(slices.DeleteFunc(f.reactions[body.TargetSeq], same), e)
		case domain.ReactionRemoved:
			f.reactions[body.TargetSeq] = slices.DeleteFunc(f.reactions[body.TargetSeq], same)
		case domain.MessagePinned:
			f.pins = append(f.pins, e)
			f.Messages[body.TargetSeq].Pinned = true
		case domain.MessageUnpinned:
			f.pins = slices.DeleteFunc(f.pins, same)
			f.Messages[body.TargetSeq].Pinned = false
		}
	}
	return f
}

// list returns the messages as a user sees them.
func (f MessageFold) list(me domain.UserID) []domain.Message {
	list := []domain.Message{}
	for seq, m := range f.Messages {
		for _, e := range f.reactions[seq] {
			var body domain.ReactionBody
			must(json.Unmarshal(e.Body, &body))
			body.Emoji = domain.NormalizeEmoji(body.Emoji)
			i := slices.IndexFunc(m.Reactions, func(r domain.Reaction) bool { return r.Emoji == body.Emoji })
			if i < 0 {
				i = len(m.Reactions)
				m.Reactions = append(m.Reactions, domain.Reaction{Emoji: body.Emoji})
			}
			m.Reactions[i].Count++
			m.Reactions[i].Mine = m.Reactions[i].Mine || e.Sender == me
		}
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b domain.Message) int { return int(a.Seq - b.Seq) })
	return list
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// RequireFold compares every projection of messages with the fold of the log, for the
// present and for every past seq.
func RequireFold(t require.TestingT, n *Node, id domain.ConversationID, me domain.UserID) {
	events, err := n.LogRange(ContextOf(t), id, 0, 1<<40)
	require.NoError(t, err)
	head := int64(len(events))
	for asOf := int64(1); asOf <= head; asOf++ {
		if head > 60 && asOf%7 != 0 && asOf != head {
			continue
		}
		page, err := n.Messages(ContextOf(t), User(me), id, domain.Range{Limit: 1000, AsOfSeq: &asOf})
		require.NoError(t, err)
		require.Equal(t, asOf, page.HeadSeq)
		require.Equal(t, AsJSON(t, Fold(events, asOf).list(me)), AsJSON(t, page.Messages), "as of %d", asOf)
		require.False(t, page.HasMoreBefore || page.HasMoreAfter)
	}
	now := Fold(events, head)
	want := now.list(me)
	page, err := n.Messages(ContextOf(t), User(me), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	require.Equal(t, AsJSON(t, want), AsJSON(t, page.Messages))
	views, err := n.Views(ContextOf(t), id, []domain.UserID{"alice", me})
	require.NoError(t, err)
	if len(want) == 0 {
		require.Nil(t, views[me].LastMessage)
	} else {
		require.Equal(t, AsJSON(t, want[len(want)-1]), AsJSON(t, views[me].LastMessage))
	}
	var pins []int64
	for _, e := range slices.Backward(now.pins) {
		var body domain.PinBody
		must(json.Unmarshal(e.Body, &body))
		pins = append(pins, body.TargetSeq)
	}
	listed, err := n.Pins(ContextOf(t), User(me), id, "", 500)
	require.NoError(t, err)
	for i, m := range listed.Items {
		require.Equal(t, pins[i], m.Seq)
		require.Equal(t, now.pins[len(pins)-1-i].Sender, m.PinnedBy)
		require.Equal(t, now.pins[len(pins)-1-i].At, m.PinnedAt)
	}
	require.Len(t, pins, len(listed.Items))
	for _, m := range want {
		reacted, err := n.Reactions(ContextOf(t), User(me), id, m.Seq, "", 500)
		require.NoError(t, err)
		require.Len(t, reacted.Items, len(now.reactions[m.Seq]))
		for _, e := range now.reactions[m.Seq] {
			var body domain.ReactionBody
			must(json.Unmarshal(e.Body, &body))
			require.Contains(t, reacted.Items, domain.UserReaction{UserID: e.Sender, Emoji: domain.NormalizeEmoji(body.Emoji), At: e.At})
		}
	}
}
