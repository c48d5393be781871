package read_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// recount holds the counts of one user by the rules of the contract, from the log.
type recount struct {
	present          bool
	read             int64
	unread, mentions int64
}

func count(events []domain.Event, me domain.UserID, read int64) (r recount) {
	for i := range events {
		e := &events[i]
		switch e.Type {
		case domain.ConversationCreated:
			r.present, r.read = true, e.Seq
		case domain.MemberAdded, domain.MemberRemoved:
			if memberOf(e) == me {
				r.present = e.Type == domain.MemberAdded
				if r.present {
					r.read = max(r.read, e.Seq)
				}
			}
		case domain.MessagePosted:
			if e.Sender == me {
				r.read = max(r.read, e.Seq)
			}
		}
	}
	r.read = max(r.read, read)
	for _, m := range storetest.Fold(events, int64(len(events))).Messages {
		if m.Seq <= r.read || m.Sender == me || m.Recalled {
			continue
		}
		r.unread++
		for _, user := range m.Mentions {
			if user == me || user == domain.Everyone {
				r.mentions++
				break
			}
		}
	}
	return r
}

// After any commands, unread and mention counts equal a recount of the log.
func TestUnreadEqualsRecount(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	users := []domain.UserID{"alice", "bob", "carol"}
	rapid.Check(t, func(rt *rapid.T) {
		id := nodes[0].Group(t, "alice", "bob", "carol")
		marked := map[domain.UserID]int64{}
		head := int64(1)
		for i := range rapid.IntRange(1, 25).Draw(rt, "steps") {
			n := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
			who := rapid.SampledFrom(users).Draw(rt, "who")
			switch rapid.IntRange(0, 13).Draw(rt, "what") {
			case 10, 11:
				mentions := rapid.SliceOfNDistinct(rapid.SampledFrom(users), 0, 2, rapid.ID).Draw(rt, "mentions")
				_, err := n.Edit(who, id, rapid.Int64Range(1, head).Draw(rt, "edited"), fmt.Sprint(i), mentions...)
				require.NoError(rt, storetest.IgnoreRefused(err))
			case 12, 13:
				_, err := n.Recall(who, id, rapid.Int64Range(1, head).Draw(rt, "recalled"))
				require.NoError(rt, storetest.IgnoreRefused(err))
			case 0:
				_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, rapid.SampledFrom(users[1:]).Draw(rt, "user"))
				require.NoError(rt, storetest.IgnoreNotFound(err))
			case 1:
				user := rapid.SampledFrom(users[1:]).Draw(rt, "user")
				_, err := n.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{user}, domain.RoleMember)
				require.NoError(rt, err)
			case 2, 3:
				seq := rapid.Int64Range(0, head+2).Draw(rt, "seq")
				state, err := n.MarkRead(t.Context(), storetest.User(who), id, seq)
				if err == nil {
					marked[who] = max(marked[who], state.ReadSeq)
				}
				require.NoError(rt, storetest.IgnoreNotFound(err))
			default:
				var mentions []domain.UserID
				if rapid.Bool().Draw(rt, "mention") {
					mentions = append(mentions, rapid.SampledFrom(users).Draw(rt, "mentioned"))
				}
				if who == "alice" && rapid.Bool().Draw(rt, "everyone") {
					mentions = append(mentions, domain.Everyone)
				}
				a := storetest.Wait(t, n.Send(t.Context(), who, domain.Post{
					ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: storetest.Text("x"), Mentions: mentions,
				}))
				if a.Err != nil && !errors.Is(a.Err, domain.ErrNotFound) && !errors.Is(a.Err, domain.ErrInvalid) {
					rt.Fatal(a.Err)
				}
			}
			events := nodes[0].Log(t, id)
			head = int64(len(events))
			for _, me := range users {
				want := count(events, me, marked[me])
				v, err := n.Conversation(t.Context(), storetest.User(me), id, "")
				if !want.present {
					require.ErrorIs(rt, err, domain.ErrNotFound)
					continue
				}
				require.NoError(rt, err)
				require.Equal(rt, want.read, v.ReadSeq, "read_seq of %s", me)
				require.Equal(rt, want.unread, v.UnreadCount, "unread_count of %s", me)
				require.Equal(rt, want.mentions, v.MentionCount, "mention_count of %s", me)
			}
		}
		alice := newDevice("alice")
		alice.sync(rt, nodes[1], 500)
		var total int64
		for _, v := range alice.views {
			total += v.UnreadCount
		}
		require.Equal(rt, total, alice.unread, "unread_total of a sync")
		state, err := nodes[0].MarkRead(t.Context(), storetest.User("alice"), id, 0)
		require.NoError(rt, err)
		require.Equal(rt, total, state.UnreadTotal, "unread_total of a read_state")
	})
}

// Joins, messages and mentions in one batch count like separate ones.
func TestUnreadWithinOneBatch(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t), storetest.OneCommitter)
	id := n.Group(t, "alice")
	done := make(chan error, 3)
	n.Chat.Send(t.Context(), storetest.User("alice"), domain.Post{ConversationID: id, ClientMsgID: "1", Content: storetest.Text("x")},
		func(_ domain.Sent, err error) { done <- err })
	n.Submit(t.Context(), addBob{id}, func(_ domain.Outcome, err error) { done <- err })
	n.Chat.Send(t.Context(), storetest.User("bob"), domain.Post{ConversationID: id, ClientMsgID: "2", Content: storetest.Text("x")},
		func(_ domain.Sent, err error) { done <- err })
	for range 3 {
		require.NoError(t, storetest.Wait(t, done))
	}
	n.Post(t, "alice", id, "3", "x")
	v, err := n.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.EqualValues(t, 4, v.ReadSeq)
	require.EqualValues(t, 1, v.UnreadCount)
}

type addBob struct{ id domain.ConversationID }

func (c addBob) Target() domain.ConversationID      { return c.id }
func (c addBob) Size() int                          { return 100 }
func (c addBob) Key() (domain.IdempotencyKey, bool) { return domain.IdempotencyKey{}, false }
func (c addBob) Decide(*domain.Conversation) ([]domain.Draft, error) {
	return []domain.Draft{{
		Type: domain.MemberAdded, Sender: "alice", Body: []byte(`{"user_id":"bob","role":"member"}`),
		Member: domain.MemberRole{UserID: "bob", Role: domain.RoleMember},
	}}, nil
}

func TestMarkRead(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id, other := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	for i := range 4 {
		n.Post(t, "alice", id, fmt.Sprint(i), "x")
		n.Post(t, "alice", other, fmt.Sprint(i), "x")
	}
	read := func(seq int64) domain.ReadState {
		state, err := n.MarkRead(t.Context(), storetest.User("bob"), id, seq)
		require.NoError(t, err)
		return state
	}
	require.Equal(t, domain.ReadState{ConversationID: id, ReadSeq: 3, UnreadCount: 2, UnreadTotal: 6}, read(3))
	require.Equal(t, domain.ReadState{ConversationID: id, ReadSeq: 3, UnreadCount: 2, UnreadTotal: 6}, read(2), "a position never moves back")
	require.Equal(t, domain.ReadState{ConversationID: id, ReadSeq: 5, UnreadTotal: 4}, read(1000), "a seq beyond the head counts as the head")
	for _, actor := range []domain.Actor{storetest.User("mallory"), {User: "app", Backend: true}} {
		_, err := n.MarkRead(t.Context(), actor, id, 1)
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
}

// memberOf returns the user that a membership event is about.
func memberOf(e *domain.Event) domain.UserID {
	var body domain.MemberRole
	if err := json.Unmarshal(e.Body, &body); err != nil {
		panic(err)
	}
	return body.UserID
}
