package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/pgtest"
)

// folded is what a log says of its messages up to some seq.
type folded struct {
	messages  map[int64]*domain.Message
	reactions map[int64][]domain.Event // that stand, in their order
	pins      []domain.Event           // that stand, in their order
}

func fold(events []domain.Event, upto int64) folded {
	f := folded{messages: map[int64]*domain.Message{}, reactions: map[int64][]domain.Event{}}
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
		same := func(other domain.Event) bool {
			var b struct {
				TargetSeq int64 `json:"target_seq"`
				Emoji     string
			}
			must(json.Unmarshal(other.Body, &b))
			return b == body && (other.Sender == e.Sender || b.Emoji == "")
		}
		switch e.Type {
		case domain.MessagePosted:
			m, err := domain.MessageOf(&e)
			must(err)
			f.messages[e.Seq] = &m
		case domain.MessageEdited:
			must(f.messages[body.TargetSeq].Edited(e.At, e.Body))
		case domain.ReactionAdded:
			f.reactions[body.TargetSeq] = append(f.reactions[body.TargetSeq], e)
		case domain.ReactionRemoved:
			f.reactions[body.TargetSeq] = slices.DeleteFunc(f.reactions[body.TargetSeq], same)
		case domain.MessagePinned:
			f.pins = append(f.pins, e)
			f.messages[body.TargetSeq].Pinned = true
		case domain.MessageUnpinned:
			f.pins = slices.DeleteFunc(f.pins, same)
			f.messages[body.TargetSeq].Pinned = false
		}
	}
	return f
}

// list is the messages as a user sees them.
func (f folded) list(me domain.UserID) []domain.Message {
	list := []domain.Message{}
	for seq, m := range f.messages {
		for _, e := range f.reactions[seq] {
			var body domain.ReactionBody
			must(json.Unmarshal(e.Body, &body))
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

// requireFold compares every projection of messages with the fold of the log, of
// now and of every moment of the past.
func requireFold(t require.TestingT, n *node, id domain.ConversationID, me domain.UserID) {
	events, err := n.LogRange(contextOf(t), id, 0, 1<<40)
	require.NoError(t, err)
	head := int64(len(events))
	for asOf := int64(1); asOf <= head; asOf++ {
		if head > 60 && asOf%7 != 0 && asOf != head {
			continue
		}
		page, err := n.Messages(contextOf(t), user(me), id, domain.Range{Limit: 1000, AsOfSeq: &asOf})
		require.NoError(t, err)
		require.Equal(t, asOf, page.HeadSeq)
		require.Equal(t, asJSON(t, fold(events, asOf).list(me)), asJSON(t, page.Messages), "as of %d", asOf)
		require.False(t, page.HasMoreBefore || page.HasMoreAfter)
	}
	now := fold(events, head)
	want := now.list(me)
	page, err := n.Messages(contextOf(t), user(me), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	require.Equal(t, asJSON(t, want), asJSON(t, page.Messages))
	views, err := n.Views(contextOf(t), id, []domain.UserID{"alice", me})
	require.NoError(t, err)
	if len(want) == 0 {
		require.Nil(t, views[me].LastMessage)
	} else {
		require.Equal(t, asJSON(t, want[len(want)-1]), asJSON(t, views[me].LastMessage))
	}
	var pins []int64
	for _, e := range slices.Backward(now.pins) {
		var body domain.PinBody
		must(json.Unmarshal(e.Body, &body))
		pins = append(pins, body.TargetSeq)
	}
	listed, err := n.Pins(contextOf(t), user(me), id, "", 500)
	require.NoError(t, err)
	for i, m := range listed.Items {
		require.Equal(t, pins[i], m.Seq)
		require.Equal(t, now.pins[len(pins)-1-i].Sender, m.PinnedBy)
		require.Equal(t, now.pins[len(pins)-1-i].At, m.PinnedAt)
	}
	require.Len(t, pins, len(listed.Items))
	for _, m := range want {
		reacted, err := n.Reactions(contextOf(t), user(me), id, m.Seq, "", 500)
		require.NoError(t, err)
		require.Len(t, reacted.Items, len(now.reactions[m.Seq]))
		for _, e := range now.reactions[m.Seq] {
			var body domain.ReactionBody
			must(json.Unmarshal(e.Body, &body))
			require.Contains(t, reacted.Items, domain.UserReaction{UserID: e.Sender, Emoji: body.Emoji, At: e.At})
		}
	}
}

// I7: whatever happened to messages, on whichever node, the projections are the
// fold of the log.
func TestI7ProjectionsOfMessagesEqualTheFold(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*node{start(t, url), start(t, url)}
	users := []domain.UserID{"alice", "bob", "carol"}
	rapid.Check(t, func(rt *rapid.T) {
		id := nodes[0].group(t, "alice", "bob", "carol")
		for i := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			n := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
			who := user(rapid.SampledFrom(users).Draw(rt, "who"))
			seq := int64(rapid.IntRange(1, i+2).Draw(rt, "seq"))
			emoji := rapid.SampledFrom([]string{"👍", "+1", "é"}).Draw(rt, "emoji")
			var err error
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0, 1:
				_, err = n.edit(who.User, id, seq, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "words"), users[i%3])
			case 2:
				_, err = n.recall(who.User, id, seq)
			case 3, 4:
				_, err = n.chat.React(t.Context(), who, id, seq, emoji)
			case 5:
				_, err = n.chat.Unreact(t.Context(), who, id, seq, emoji)
			case 6:
				_, err = n.chat.Pin(t.Context(), who, id, seq)
			case 7:
				_, err = n.chat.Unpin(t.Context(), who, id, seq)
			default:
				err = wait(t, n.send(t.Context(), who.User, domain.Post{
					ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: text("x"), Metadata: json.RawMessage(`{"a":1}`),
				})).err
			}
			if err != nil && !errors.Is(err, domain.ErrNotFound) && !errors.Is(err, domain.ErrForbidden) && !errors.Is(err, domain.ErrConflict) {
				rt.Fatal(err)
			}
		}
		requireFold(rt, nodes[0], id, "bob")
	})
}

func TestAsOf(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	one := n.post(t, "alice", id, "1", "one")
	edited := made(t, domain.MessageEdited)(n.edit("alice", id, one.Seq, "uno"))
	two := n.post(t, "alice", id, "2", "two")
	at := func(r domain.Range) domain.MessagePage {
		t.Helper()
		page, err := n.Messages(t.Context(), user("bob"), id, r)
		require.NoError(t, err)
		return page
	}
	number := func(n int64) *int64 { return &n }
	page := at(domain.Range{Limit: 10, AsOf: &one.At})
	require.Equal(t, one.Seq, page.HeadSeq)
	require.Equal(t, text("one"), page.Messages[0].Content)
	require.Nil(t, page.Messages[0].EditedAt)
	page = at(domain.Range{Limit: 10, AsOf: &edited.At})
	require.Equal(t, text("uno"), page.Messages[0].Content)
	require.Equal(t, []int64{one.Seq}, messageSeqs(page.Messages))
	require.False(t, page.HasMoreAfter)
	page = at(domain.Range{Limit: 10, AsOfSeq: number(1 << 60)})
	require.Equal(t, two.Seq, page.HeadSeq, "beyond the head is the head")
	require.Len(t, page.Messages, 2)
	before := domain.TimeOf(one.At.AddDate(-1, 0, 0))
	page = at(domain.Range{Limit: 10, AsOf: &before})
	require.Zero(t, page.HeadSeq)
	require.Empty(t, page.Messages)
	page = at(domain.Range{Limit: 1, AroundSeq: &two.Seq, AsOfSeq: &edited.Seq})
	require.Equal(t, []int64{one.Seq}, messageSeqs(page.Messages))
	page = at(domain.Range{Seqs: []int64{one.Seq, two.Seq}, Limit: 1, AsOfSeq: &edited.Seq})
	require.Equal(t, []int64{one.Seq}, messageSeqs(page.Messages))
	_, err := n.Messages(t.Context(), user("eve"), id, domain.Range{Limit: 1, AsOf: &before})
	require.ErrorIs(t, err, domain.ErrNotFound)
}
