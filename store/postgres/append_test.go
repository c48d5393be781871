package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
)

func TestI2DenseFromSeveralNodesToOneConversation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*node{start(t, url), start(t, url), start(t, url)}
	id := nodes[0].group(t, "u0", "u1", "u2")
	const each = 400
	var senders sync.WaitGroup
	for i, n := range nodes {
		senders.Go(func() {
			var answers []<-chan answer
			sender := domain.UserID(fmt.Sprintf("u%d", i))
			for k := range each {
				answers = append(answers, n.send(t.Context(), sender, domain.Post{
					ConversationID: id, ClientMsgID: fmt.Sprintf("m%d", k), Content: text("x"),
				}))
			}
			var last int64
			for _, c := range answers {
				a := wait(t, c)
				if a.err != nil || a.Duplicate || a.Event.Seq <= last {
					t.Errorf("sends of one goroutine must be appended in order: %v after %d", a, last)
					return
				}
				last = a.Event.Seq
			}
		})
	}
	senders.Wait()
	require.Len(t, nodes[0].log(t, id), 1+len(nodes)*each)
	for _, n := range nodes {
		requireAscendingTold(t, n, id)
	}
}

// requireAscendingTold: each node is told of its own commits in their order.
func requireAscendingTold(t *testing.T, n *node, id domain.ConversationID) {
	t.Helper()
	var last int64
	for _, c := range n.told(id) {
		for i, e := range c.Events {
			require.Greater(t, e.Seq, last)
			if i > 0 {
				require.Equal(t, last+1, e.Seq)
			}
			last = e.Seq
		}
	}
}

func TestI2DenseFromSeveralNodesToManyInOppositeOrders(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	one := func(o *postgres.Options) { o.Committers = 1 }
	nodes := []*node{start(t, url, one), start(t, url, one)}
	var ids []domain.ConversationID
	for range 60 {
		ids = append(ids, nodes[0].group(t, "alice", "bob"))
	}
	const rounds = 12
	var senders sync.WaitGroup
	for i, n := range nodes {
		order := slices.Clone(ids)
		if i == 1 {
			slices.Reverse(order)
		}
		senders.Go(func() {
			var answers []<-chan answer
			for r := range rounds {
				for _, id := range order {
					answers = append(answers, n.send(t.Context(), "alice", domain.Post{
						ConversationID: id, ClientMsgID: fmt.Sprintf("n%d-%d", i, r), Content: text("x"),
					}))
				}
			}
			for _, c := range answers {
				if a := wait(t, c); a.err != nil {
					t.Error(a.err)
				}
			}
		})
	}
	senders.Wait()
	for _, id := range ids {
		require.Len(t, nodes[0].log(t, id), 1+len(nodes)*rounds)
	}
}

func TestI3OneEventForOneKeyFromSeveralNodesAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*node{start(t, url), start(t, url)}
	id := nodes[0].group(t, "alice", "bob")
	const keys, copies = 20, 8
	answers := map[string][]<-chan answer{}
	for k := range keys {
		msgID := fmt.Sprintf("m%d", k)
		for c := range copies {
			answers[msgID] = append(answers[msgID], nodes[c%2].send(t.Context(), "alice", domain.Post{
				ConversationID: id, ClientMsgID: msgID, Content: text("same"),
			}))
		}
	}
	for msgID, list := range answers {
		firsts := 0
		var seq int64
		for _, c := range list {
			a := wait(t, c)
			require.NoError(t, a.err)
			require.Equal(t, msgID, a.Event.ClientMsgID)
			if !a.Duplicate {
				firsts++
			}
			require.True(t, seq == 0 || seq == a.Event.Seq, "all answers name one seq")
			seq = a.Event.Seq
		}
		require.Equal(t, 1, firsts)
	}
	require.Len(t, nodes[0].log(t, id), 1+keys)
}

func TestI3OtherContentIsAConflict(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	send := func(content string) answer {
		return wait(t, n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "m", Content: text(content)}))
	}
	require.NoError(t, send("one").err)
	require.ErrorIs(t, send("two").err, domain.ErrIdempotencyConflict)
	require.True(t, send("one").Duplicate)

	t.Run("within one batch", func(t *testing.T) {
		first := n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "b", Content: text("one")})
		same := n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "b", Content: text("one")})
		other := n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "b", Content: text("two")})
		next := n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "c", Content: text("one")})
		require.NoError(t, wait(t, first).err)
		require.True(t, wait(t, same).Duplicate)
		require.ErrorIs(t, wait(t, other).err, domain.ErrIdempotencyConflict)
		require.NoError(t, wait(t, next).err)
	})
	t.Run("once the hash is gone anything is a duplicate", func(t *testing.T) {
		_, err := connect(t, n.url).Exec(t.Context(), `UPDATE events SET hash = NULL WHERE client_msg_id = 'm'`)
		require.NoError(t, err)
		a := send("three")
		require.NoError(t, a.err)
		require.True(t, a.Duplicate)
	})
	t.Run("a duplicate is answered before permission to post is asked", func(t *testing.T) {
		require.Equal(t, domain.PostingEveryone, domain.DefaultSettings().Posting)
		sent := wait(t, n.send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m", Content: text("bob's")}))
		require.NoError(t, sent.err)
		admins := domain.PostingAdmins
		_, err := n.chat.Update(t.Context(), user("alice"), id, domain.Changes{Settings: &domain.SettingsPatch{Posting: &admins}})
		require.NoError(t, err)
		again := wait(t, n.send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m", Content: text("bob's")}))
		require.NoError(t, again.err)
		require.True(t, again.Duplicate)
		fresh := wait(t, n.send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m9", Content: text("bob's")}))
		require.ErrorIs(t, fresh.err, domain.ErrForbidden)
	})
	t.Run("a former member gets not_found", func(t *testing.T) {
		_, err := n.chat.RemoveMember(t.Context(), user("alice"), id, "bob")
		require.NoError(t, err)
		again := wait(t, n.send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m", Content: text("bob's")}))
		require.ErrorIs(t, again.err, domain.ErrNotFound)
	})
}

func TestRefusedFailsAlone(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	missing, created, message := int64(99), int64(1), int64(2)
	n.post(t, "alice", id, "m0", "zero")
	posts := []struct {
		from domain.UserID
		post domain.Post
		want error
	}{
		{"alice", domain.Post{ClientMsgID: "m1"}, nil},
		{"mallory", domain.Post{ClientMsgID: "m2"}, domain.ErrNotFound},
		{"alice", domain.Post{ClientMsgID: "m3", ReplyTo: &missing}, domain.Invalid("/reply_to", "")},
		{"alice", domain.Post{ClientMsgID: "m4", ReplyTo: &created}, domain.Invalid("/reply_to", "")},
		{"bob", domain.Post{ClientMsgID: "m5", Mentions: []domain.UserID{"nobody"}}, domain.ErrInvalid},
		{"bob", domain.Post{ClientMsgID: "m6", Mentions: []domain.UserID{domain.Everyone}}, domain.ErrForbidden},
		{"bob", domain.Post{ClientMsgID: "m7", ReplyTo: &message, Mentions: []domain.UserID{"alice"}}, nil},
		{"alice", domain.Post{ClientMsgID: "m8", Mentions: []domain.UserID{domain.Everyone}}, nil},
	}
	var answers []<-chan answer
	for _, p := range posts {
		p.post.ConversationID, p.post.Content = id, text("x")
		answers = append(answers, n.send(t.Context(), p.from, p.post))
	}
	for i, p := range posts {
		a := wait(t, answers[i])
		if p.want == nil {
			require.NoError(t, a.err)
			continue
		}
		require.ErrorIs(t, a.err, p.want, p.post.ClientMsgID)
		if want := coded(t, p.want); want.Fields != nil {
			require.Contains(t, coded(t, a.err).Fields, "/reply_to")
		}
	}
	var order []string
	for _, e := range n.log(t, id)[1:] {
		order = append(order, e.ClientMsgID)
	}
	require.Equal(t, []string{"m0", "m1", "m7", "m8"}, order)
	none := wait(t, n.send(t.Context(), "alice", domain.Post{
		ConversationID: domain.ConversationID{1}, ClientMsgID: "m", Content: text("x"),
	}))
	require.ErrorIs(t, none.err, domain.ErrNotFound)
}

// Another node removes and adds members: this one's cache is behind, and neither
// accepts nor refuses because of that.
func TestStaleDecisionsAreTakenAnew(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	here, there := start(t, url), start(t, url)
	id := here.group(t, "alice", "bob")
	for i := range 10 {
		here.post(t, "bob", id, fmt.Sprintf("in%d", i), "x") // here, bob is cached as a member
		_, err := there.chat.RemoveMember(t.Context(), user("alice"), id, "bob")
		require.NoError(t, err)
		after := here.send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprintf("out%d", i), Content: text("x")})
		behind := here.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprintf("a%d", i), Content: text("x")})
		require.ErrorIs(t, wait(t, after).err, domain.ErrNotFound)
		require.NoError(t, wait(t, behind).err)
		_, err = there.chat.AddMembers(t.Context(), user("alice"), id, []domain.UserID{"bob"}, domain.RoleMember)
		require.NoError(t, err)
		// Only a refusal is decided here: no append checks the version for it.
	}
	here.post(t, "bob", id, "last", "x")

	t.Run("what changes nothing is checked too", func(t *testing.T) {
		_, err := there.chat.RemoveMember(t.Context(), user("alice"), id, "bob")
		require.NoError(t, err)
		events, err := here.chat.AddMembers(t.Context(), user("alice"), id, []domain.UserID{"bob"}, domain.RoleMember)
		require.NoError(t, err)
		require.Len(t, events, 1, "bob was removed elsewhere, so adding him is a change")
	})
}

func TestRacingRemovalAndMessages(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	here, there := start(t, url), start(t, url)
	for round := range 8 {
		id := here.group(t, "alice", "bob")
		here.post(t, "bob", id, "first", "x")
		var answers []<-chan answer
		removed := make(chan error, 1)
		for i := range 60 {
			if i == 20 {
				go func() {
					_, err := there.chat.RemoveMember(context.Background(), user("alice"), id, "bob")
					removed <- err
				}()
			}
			answers = append(answers, here.send(t.Context(), "bob", domain.Post{
				ConversationID: id, ClientMsgID: fmt.Sprintf("m%d", i), Content: text("x"),
			}))
		}
		require.NoError(t, wait(t, removed))
		accepted, gone := 0, false
		for _, c := range answers {
			a := wait(t, c)
			if a.err != nil {
				require.ErrorIs(t, a.err, domain.ErrNotFound)
				gone = true
				continue
			}
			require.False(t, gone, "a message was accepted after one was refused (round %d)", round)
			accepted++
		}
		events := here.log(t, id)
		require.Len(t, events, 2+accepted+1)
		require.Equal(t, domain.MemberRemoved, events[len(events)-1].Type, "nothing of bob comes after his removal")
	}
}

func TestCommandsOfSeveralEvents(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob", "carol")
	events, err := n.chat.AddMembers(t.Context(), user("alice"), id, []domain.UserID{"dave", "erin", "bob"}, domain.RoleMember)
	require.NoError(t, err)
	require.Len(t, events, 2)
	events, err = n.chat.RemoveMember(t.Context(), user("alice"), id, "alice")
	require.NoError(t, err)
	require.Len(t, events, 2, "leaving hands over")
	members, err := n.Members(t.Context(), user("bob"), id, "", 10)
	require.NoError(t, err)
	require.Equal(t, []domain.Member{
		{UserID: "bob", Role: domain.RoleOwner, JoinedSeq: 1},
		{UserID: "carol", Role: domain.RoleMember, JoinedSeq: 1},
		{UserID: "dave", Role: domain.RoleMember, JoinedSeq: 2},
		{UserID: "erin", Role: domain.RoleMember, JoinedSeq: 3},
	}, members.Items)
	v, err := n.Conversation(t.Context(), user("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, 4, v.MemberCount)
	told := n.told(id)
	require.Contains(t, told[len(told)-1].Audience, domain.UserID("alice"), "the audience includes who has left")
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	title := "renamed"
	_, err := n.chat.Update(t.Context(), user("alice"), id, domain.Changes{
		Title:    domain.Field[string]{Set: true, Value: &title},
		Metadata: metadata(`{"a":  1}`),
	})
	require.NoError(t, err)
	v, err := n.Conversation(t.Context(), user("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, title, *v.Title)
	require.JSONEq(t, `{"a":1}`, string(v.Metadata))
	_, err = n.chat.Update(t.Context(), user("alice"), id, domain.Changes{
		Title: domain.Field[string]{Set: true}, Metadata: metadata(""),
	})
	require.NoError(t, err)
	for _, other := range []*node{n, start(t, n.url)} { // as cached, and as stored
		v, err = other.Conversation(t.Context(), user("bob"), id, "")
		require.NoError(t, err)
		require.Nil(t, v.Title)
		require.Equal(t, "null", string(v.Metadata))
		events, err := other.chat.Update(t.Context(), user("alice"), id, domain.Changes{Title: domain.Field[string]{Set: true}})
		require.NoError(t, err)
		require.Empty(t, events)
	}
}

func TestFullQueueIsUnavailableAtOnce(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t), func(o *postgres.Options) { o.QueueBytes = 8 << 10 })
	id := n.group(t, "alice", "bob")
	lock := connect(t, n.url)
	tx, err := lock.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM conversations WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	var answers []<-chan answer
	for i := range 100 {
		answers = append(answers, n.send(t.Context(), "alice", domain.Post{
			ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: text("x"),
		}))
	}
	full := 0
	for _, c := range answers {
		select {
		case a := <-c:
			require.ErrorIs(t, a.err, domain.ErrUnavailable)
			require.Positive(t, coded(t, a.err).After)
			full++
		default:
		}
	}
	require.Positive(t, full)
	require.Less(t, full, len(answers))
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, func() bool { // its bytes are given back
		return wait(t, n.send(t.Context(), "alice", domain.Post{
			ConversationID: id, ClientMsgID: "later", Content: text("x"),
		})).err == nil
	}, deadline, time.Millisecond)
}

func TestWithdrawnCommandIsDropped(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := wait(t, n.send(ctx, "alice", domain.Post{ConversationID: id, ClientMsgID: "m", Content: text("x")}))
	require.ErrorIs(t, a.err, domain.ErrUnavailable)
	n.post(t, "alice", id, "m2", "x")
	require.Len(t, n.log(t, id), 2)
}

// coded returns err as the error of the domain that it has to be.
func coded(t *testing.T, err error) *domain.Error {
	t.Helper()
	var e *domain.Error
	require.ErrorAs(t, err, &e)
	return e
}
