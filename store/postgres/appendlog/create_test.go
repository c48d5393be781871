package appendlog_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

func TestOneDirectConversationHoweverManyAsk(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var mu sync.Mutex
	found, made := map[domain.ConversationID]int{}, 0
	var asking sync.WaitGroup
	for i := range 24 {
		asking.Go(func() {
			me, other := domain.UserID("alice"), domain.UserID("bob")
			if i%3 == 0 {
				me, other = other, me
			}
			id, created, err := nodes[i%2].Chat.Create(t.Context(), storetest.User(me), domain.Creation{
				Kind: domain.Direct, Members: []domain.UserID{other},
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			found[id]++
			if created {
				made++
			}
		})
	}
	asking.Wait()
	require.Len(t, found, 1)
	require.Equal(t, 1, made)
	for id := range found {
		require.Len(t, nodes[0].Log(t, id), 1)
		direct, err := nodes[1].FindDirect(t.Context(), domain.DirectKey("bob", "alice"))
		require.NoError(t, err)
		require.Equal(t, id, direct)
		require.Len(t, append(nodes[0].Commits(id), nodes[1].Commits(id)...), 1, "one node pushes it, once")
	}
	_, err := nodes[0].FindDirect(t.Context(), domain.DirectKey("bob", "carol"))
	require.ErrorIs(t, err, domain.ErrNotFound)
}

// A conversation is made when its first event says: the clock is read once.
func TestCreatedAtIsThatOfTheFirstEvent(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	for range 300 {
		n.Group(t, "alice", "bob")
	}
	var off int
	require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(), `
		SELECT count(*) FROM conversations c JOIN events e ON e.conversation_id = c.id AND e.seq = 1
		WHERE c.created_at <> e.at`).Scan(&off))
	require.Zero(t, off)
}

func TestFirstSendsMakeOneDirectConversation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var sending sync.WaitGroup
	events := make(chan domain.Event, 20)
	for i := range cap(events) {
		sending.Go(func() {
			me, other := domain.UserID("alice"), domain.UserID("bob")
			if i%2 == 0 {
				me, other = other, me
			}
			a := storetest.Wait(t, nodes[i%2].Send(t.Context(), me, domain.Post{To: other, ClientMsgID: string(rune('a' + i)), Content: storetest.Text("hi")}))
			if a.Err != nil {
				t.Error(a.Err)
			}
			events <- a.Event
		})
	}
	sending.Wait()
	first := <-events
	for range cap(events) - 1 {
		require.Equal(t, first.ConversationID, (<-events).ConversationID)
	}
	require.Len(t, nodes[0].Log(t, first.ConversationID), 1+cap(events))
}

func TestClientConversationID(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	create := func(who, clientID, title string) (domain.ConversationID, bool, error) {
		return n.Chat.Create(t.Context(), storetest.User(domain.UserID(who)), domain.Creation{
			Kind: domain.Group, Members: []domain.UserID{"zoe"}, Title: &title, ClientConversationID: clientID,
		})
	}
	id, created, err := create("alice", "c1", "one")
	require.NoError(t, err)
	require.True(t, created)
	again, created, err := create("alice", "c1", "one")
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, id, again)
	_, _, err = create("alice", "c1", "two")
	require.ErrorIs(t, err, domain.ErrIdempotencyConflict)
	other, created, err := create("bob", "c1", "two")
	require.NoError(t, err)
	require.True(t, created, "the key is per creator")
	require.NotEqual(t, id, other)
	_, _, err = n.Chat.Create(t.Context(), storetest.User("alice"), domain.Creation{
		Kind: domain.Direct, Members: []domain.UserID{"zoe"}, ClientConversationID: "c1",
	})
	require.ErrorIs(t, err, domain.ErrIdempotencyConflict)
}

// The answer to the creation is lost: the next attempt finds what it made.
func TestCreateSurvivesALostAnswer(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	via, proxy := proxytest.Before(t, url)
	n := storetest.Start(t, via)
	conn := storetest.Connect(t, url)
	title := "unanswered"
	passed := proxy.HoldAnswerTo(title)
	type result struct {
		id      domain.ConversationID
		created bool
		err     error
	}
	creating := make(chan result, 1)
	go func() {
		id, created, err := n.Chat.Create(context.Background(), storetest.User("alice"), domain.Creation{
			Kind: domain.Group, Members: []domain.UserID{"bob"}, Title: &title,
		})
		creating <- result{id, created, err}
	}()
	loseAnswer(t, proxy, passed, conn, `SELECT EXISTS (SELECT FROM conversations WHERE title = $1)`, title)
	made := storetest.Wait(t, creating)
	require.NoError(t, made.err)
	require.True(t, made.created)
	require.Len(t, n.Log(t, made.id), 1)
	require.Len(t, n.Commits(made.id), 1)
	var count int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM conversations`).Scan(&count))
	require.Equal(t, 1, count)
}
