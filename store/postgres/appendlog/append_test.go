package appendlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestI2DenseFromSeveralNodesToOneConversation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url), storetest.Start(t, url)}
	id := nodes[0].Group(t, "u0", "u1", "u2")
	const each = 400
	var senders sync.WaitGroup
	for i, n := range nodes {
		senders.Go(func() {
			var answers []<-chan storetest.Answer
			sender := domain.UserID(fmt.Sprintf("u%d", i))
			for k := range each {
				answers = append(answers, n.Send(t.Context(), sender, domain.Post{
					ConversationID: id, ClientMsgID: fmt.Sprintf("m%d", k), Content: storetest.Text("x"),
				}))
			}
			var last int64
			for _, c := range answers {
				a := storetest.Wait(t, c)
				if a.Err != nil || a.Duplicate || a.Event.Seq <= last {
					t.Errorf("sends of one goroutine must be appended in order: %v after %d", a, last)
					return
				}
				last = a.Event.Seq
			}
		})
	}
	senders.Wait()
	require.Len(t, nodes[0].Log(t, id), 1+len(nodes)*each)
	for _, n := range nodes {
		requireAscendingCommits(t, n, id)
	}
}

// requireAscendingCommits requires that a node pushed its commits in their order.
func requireAscendingCommits(t *testing.T, n *storetest.Node, id domain.ConversationID) {
	t.Helper()
	var last int64
	for _, c := range n.Commits(id) {
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
	nodes := []*storetest.Node{storetest.Start(t, url, storetest.OneCommitter), storetest.Start(t, url, storetest.OneCommitter)}
	var ids []domain.ConversationID
	for range 60 {
		ids = append(ids, nodes[0].Group(t, "alice", "bob"))
	}
	const rounds = 12
	var senders sync.WaitGroup
	for i, n := range nodes {
		order := slices.Clone(ids)
		if i == 1 {
			slices.Reverse(order)
		}
		senders.Go(func() {
			var answers []<-chan storetest.Answer
			for r := range rounds {
				for _, id := range order {
					answers = append(answers, n.Send(t.Context(), "alice", domain.Post{
						ConversationID: id, ClientMsgID: fmt.Sprintf("n%d-%d", i, r), Content: storetest.Text("x"),
					}))
				}
			}
			for _, c := range answers {
				if a := storetest.Wait(t, c); a.Err != nil {
					t.Error(a.Err)
				}
			}
		})
	}
	senders.Wait()
	for _, id := range ids {
		require.Len(t, nodes[0].Log(t, id), 1+len(nodes)*rounds)
	}
}

func TestI3OneEventForOneKeyFromSeveralNodesAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	id := nodes[0].Group(t, "alice", "bob")
	const keys, copies = 20, 8
	answers := map[string][]<-chan storetest.Answer{}
	for k := range keys {
		msgID := fmt.Sprintf("m%d", k)
		for c := range copies {
			answers[msgID] = append(answers[msgID], nodes[c%2].Send(t.Context(), "alice", domain.Post{
				ConversationID: id, ClientMsgID: msgID, Content: storetest.Text("same"),
			}))
		}
	}
	for msgID, list := range answers {
		firsts := 0
		var seq int64
		for _, c := range list {
			a := storetest.Wait(t, c)
			require.NoError(t, a.Err)
			require.Equal(t, msgID, a.Event.ClientMsgID)
			if !a.Duplicate {
				firsts++
			}
			require.True(t, seq == 0 || seq == a.Event.Seq, "all answers name one seq")
			seq = a.Event.Seq
		}
		require.Equal(t, 1, firsts)
	}
	require.Len(t, nodes[0].Log(t, id), 1+keys)
}

func TestI3OtherContentIsAConflict(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	send := func(content string) storetest.Answer {
		return storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "m", Content: storetest.Text(content)}))
	}
	require.NoError(t, send("one").Err)
	require.ErrorIs(t, send("two").Err, domain.ErrIdempotencyConflict)
	require.True(t, send("one").Duplicate)

	t.Run("within one batch", func(t *testing.T) {
		first := n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "b", Content: storetest.Text("one")})
		same := n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "b", Content: storetest.Text("one")})
		other := n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "b", Content: storetest.Text("two")})
		next := n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "c", Content: storetest.Text("one")})
		require.NoError(t, storetest.Wait(t, first).Err)
		require.True(t, storetest.Wait(t, same).Duplicate)
		require.ErrorIs(t, storetest.Wait(t, other).Err, domain.ErrIdempotencyConflict)
		require.NoError(t, storetest.Wait(t, next).Err)
	})
	t.Run("once the hash is gone anything is a duplicate", func(t *testing.T) {
		_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE events SET hash = NULL WHERE client_msg_id = 'm'`)
		require.NoError(t, err)
		a := send("three")
		require.NoError(t, a.Err)
		require.True(t, a.Duplicate)
	})
	t.Run("a duplicate is answered before permission to post is asked", func(t *testing.T) {
		require.Equal(t, domain.PostingEveryone, domain.DefaultSettings().Posting)
		sent := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m", Content: storetest.Text("bob's")}))
		require.NoError(t, sent.Err)
		admins := domain.PostingAdmins
		_, err := n.Chat.Update(t.Context(), storetest.User("alice"), id, domain.Changes{Settings: &domain.SettingsPatch{Posting: &admins}})
		require.NoError(t, err)
		again := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m", Content: storetest.Text("bob's")}))
		require.NoError(t, again.Err)
		require.True(t, again.Duplicate)
		fresh := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m9", Content: storetest.Text("bob's")}))
		require.ErrorIs(t, fresh.Err, domain.ErrForbidden)
	})
	t.Run("a former member gets not_found", func(t *testing.T) {
		_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "bob")
		require.NoError(t, err)
		again := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m", Content: storetest.Text("bob's")}))
		require.ErrorIs(t, again.Err, domain.ErrNotFound)
	})
}

func TestRefusedFailsAlone(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	missing, created, message := int64(99), int64(1), int64(2)
	n.Post(t, "alice", id, "m0", "zero")
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
	var answers []<-chan storetest.Answer
	for _, p := range posts {
		p.post.ConversationID, p.post.Content = id, storetest.Text("x")
		answers = append(answers, n.Send(t.Context(), p.from, p.post))
	}
	for i, p := range posts {
		a := storetest.Wait(t, answers[i])
		if p.want == nil {
			require.NoError(t, a.Err)
			continue
		}
		require.ErrorIs(t, a.Err, p.want, p.post.ClientMsgID)
		if want := coded(t, p.want); want.Fields != nil {
			require.Contains(t, coded(t, a.Err).Fields, "/reply_to")
		}
	}
	var order []string
	for _, e := range n.Log(t, id)[1:] {
		order = append(order, e.ClientMsgID)
	}
	require.Equal(t, []string{"m0", "m1", "m7", "m8"}, order)
	none := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{
		ConversationID: domain.ConversationID{1}, ClientMsgID: "m", Content: storetest.Text("x"),
	}))
	require.ErrorIs(t, none.Err, domain.ErrNotFound)
}

// Another node removes and adds members: this one's cache is behind, and neither
// accepts nor refuses because of that.
func TestStaleDecisionsAreTakenAnew(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	here, there := storetest.Start(t, url), storetest.Start(t, url)
	id := here.Group(t, "alice", "bob")
	for i := range 10 {
		here.Post(t, "bob", id, fmt.Sprintf("in%d", i), "x") // here, bob is cached as a member
		_, err := there.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "bob")
		require.NoError(t, err)
		after := here.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprintf("out%d", i), Content: storetest.Text("x")})
		behind := here.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprintf("a%d", i), Content: storetest.Text("x")})
		require.ErrorIs(t, storetest.Wait(t, after).Err, domain.ErrNotFound)
		require.NoError(t, storetest.Wait(t, behind).Err)
		_, err = there.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{"bob"}, domain.RoleMember)
		require.NoError(t, err)
		// Only a refusal is decided here: no append checks the version for it.
	}
	here.Post(t, "bob", id, "last", "x")

	t.Run("what changes nothing is checked too", func(t *testing.T) {
		_, err := there.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "bob")
		require.NoError(t, err)
		events, err := here.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{"bob"}, domain.RoleMember)
		require.NoError(t, err)
		require.Len(t, events, 1, "bob was removed elsewhere, so adding him is a change")
	})
}

func TestRacingRemovalAndMessages(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	here, there := storetest.Start(t, url), storetest.Start(t, url)
	for round := range 8 {
		id := here.Group(t, "alice", "bob")
		here.Post(t, "bob", id, "first", "x")
		var answers []<-chan storetest.Answer
		removed := make(chan error, 1)
		for i := range 60 {
			if i == 20 {
				go func() {
					_, err := there.Chat.RemoveMember(context.Background(), storetest.User("alice"), id, "bob")
					removed <- err
				}()
			}
			answers = append(answers, here.Send(t.Context(), "bob", domain.Post{
				ConversationID: id, ClientMsgID: fmt.Sprintf("m%d", i), Content: storetest.Text("x"),
			}))
		}
		require.NoError(t, storetest.Wait(t, removed))
		accepted, gone := 0, false
		for _, c := range answers {
			a := storetest.Wait(t, c)
			if a.Err != nil {
				require.ErrorIs(t, a.Err, domain.ErrNotFound)
				gone = true
				continue
			}
			require.False(t, gone, "a message was accepted after one was refused (round %d)", round)
			accepted++
		}
		events := here.Log(t, id)
		require.Len(t, events, 2+accepted+1)
		require.Equal(t, domain.MemberRemoved, events[len(events)-1].Type, "nothing of bob comes after his removal")
	}
}

func TestCommandsOfSeveralEvents(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol")
	events, err := n.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{"dave", "erin", "bob"}, domain.RoleMember)
	require.NoError(t, err)
	require.Len(t, events, 2)
	events, err = n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "alice")
	require.NoError(t, err)
	require.Len(t, events, 2, "leaving hands over")
	members, err := n.Members(t.Context(), storetest.User("bob"), id, "", 10)
	require.NoError(t, err)
	require.Equal(t, []domain.Member{
		{UserID: "bob", Role: domain.RoleOwner, JoinedSeq: 1},
		{UserID: "carol", Role: domain.RoleMember, JoinedSeq: 1},
		{UserID: "dave", Role: domain.RoleMember, JoinedSeq: 2},
		{UserID: "erin", Role: domain.RoleMember, JoinedSeq: 3},
	}, members.Items)
	v, err := n.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, 4, v.MemberCount)
	commits := n.Commits(id)
	require.Contains(t, commits[len(commits)-1].Audience, domain.UserID("alice"), "the audience includes the user who left")
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	title := "renamed"
	_, err := n.Chat.Update(t.Context(), storetest.User("alice"), id, domain.Changes{
		Title:    domain.Field[string]{Set: true, Value: &title},
		Metadata: storetest.Metadata(`{"a":  1}`),
	})
	require.NoError(t, err)
	v, err := n.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, title, *v.Title)
	require.JSONEq(t, `{"a":1}`, string(v.Metadata))
	_, err = n.Chat.Update(t.Context(), storetest.User("alice"), id, domain.Changes{
		Title: domain.Field[string]{Set: true}, Metadata: storetest.Metadata(""),
	})
	require.NoError(t, err)
	for _, other := range []*storetest.Node{n, storetest.Start(t, n.URL)} { // as cached, and as stored
		v, err = other.Conversation(t.Context(), storetest.User("bob"), id, "")
		require.NoError(t, err)
		require.Nil(t, v.Title)
		require.Equal(t, "null", string(v.Metadata))
		events, err := other.Chat.Update(t.Context(), storetest.User("alice"), id, domain.Changes{Title: domain.Field[string]{Set: true}})
		require.NoError(t, err)
		require.Empty(t, events)
	}
}

func TestFullQueueIsUnavailableAtOnce(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t), func(o *postgres.Options) { o.QueueBytes = 8 << 10 })
	id := n.Group(t, "alice", "bob")
	lock := storetest.Connect(t, n.URL)
	tx, err := lock.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM conversations WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	var answers []<-chan storetest.Answer
	for i := range 100 {
		answers = append(answers, n.Send(t.Context(), "alice", domain.Post{
			ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: storetest.Text("x"),
		}))
	}
	full := 0
	for _, c := range answers {
		select {
		case a := <-c:
			require.ErrorIs(t, a.Err, domain.ErrUnavailable)
			require.Positive(t, coded(t, a.Err).After)
			full++
		default:
		}
	}
	require.Positive(t, full)
	require.Less(t, full, len(answers))
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, func() bool { // its bytes are given back
		return storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{
			ConversationID: id, ClientMsgID: "later", Content: storetest.Text("x"),
		})).Err == nil
	}, storetest.Deadline, time.Millisecond)
}

func TestWithdrawnCommandIsDropped(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := storetest.Wait(t, n.Send(ctx, "alice", domain.Post{ConversationID: id, ClientMsgID: "m", Content: storetest.Text("x")}))
	require.ErrorIs(t, a.Err, domain.ErrUnavailable)
	n.Post(t, "alice", id, "m2", "x")
	require.Len(t, n.Log(t, id), 2)
}

// coded returns err as the error of the domain that it has to be.
func coded(t *testing.T, err error) *domain.Error {
	t.Helper()
	var e *domain.Error
	require.ErrorAs(t, err, &e)
	return e
}

// TestI9ForeignIDsLeaveNothingBehind: commands for conversations that do not
// exist, as many as there may be, fill no cache.
func TestI9ForeignIDsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	content := []byte(`{"type":"text","text":"x"}`)
	var wg sync.WaitGroup
	turns := make(chan struct{}, 500)
	for range 10_000 {
		turns <- struct{}{}
		wg.Add(1)
		p := domain.Post{ConversationID: domain.NewConversationID(time.Now()), ClientMsgID: "c", Content: content}
		n.Chat.Send(t.Context(), domain.Actor{User: "eve"}, p, func(_ domain.Sent, err error) {
			if !errors.Is(err, domain.ErrNotFound) {
				t.Errorf("%v", err)
			}
			<-turns
			wg.Done()
		})
	}
	wg.Wait()
	require.Zero(t, n.CachedBytes())
}
