package read_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestEditAndRecall(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	id := n.Group(t, "alice", "bob")
	first := n.Post(t, "alice", id, "m1", "one")
	edited := storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, first.Seq, "two", "bob"))
	m := other.MustMessage(t, "bob", id, first.Seq)
	require.JSONEq(t, `{"type":"text","text":"two"}`, string(m.Content))
	require.Equal(t, []domain.UserID{"bob"}, m.Mentions)
	require.Equal(t, edited.At, *m.EditedAt)
	require.False(t, m.Recalled)
	storetest.Nothing(t)(other.Edit("alice", id, first.Seq, "two"))
	v, err := other.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, m, *v.LastMessage)
	require.EqualValues(t, 1, v.MentionCount)

	storetest.Made(t, domain.MessageRecalled)(other.Recall("alice", id, first.Seq))
	storetest.Nothing(t)(n.Recall("alice", id, first.Seq))
	_, err = n.Edit("alice", id, first.Seq, "three")
	require.ErrorIs(t, err, domain.ErrConflict)
	m = n.MustMessage(t, "bob", id, first.Seq)
	require.True(t, m.Recalled)
	require.Equal(t, "null", string(m.Content))
	require.Nil(t, m.Mentions)
	v, err = n.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, m, *v.LastMessage)
	require.Zero(t, v.MentionCount)
	require.Zero(t, v.UnreadCount)

	t.Run("after a recall any resend is a duplicate", func(t *testing.T) {
		for _, words := range []string{"one", "something else"} {
			a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "m1", Content: storetest.Text(words)}))
			require.NoError(t, a.Err)
			require.True(t, a.Duplicate)
			require.Equal(t, first.Seq, a.Event.Seq)
			require.JSONEq(t, `{"content":null}`, string(a.Event.Body))
		}
	})
	t.Run("a seq that is not a message", func(t *testing.T) {
		for _, seq := range []int64{0, -1, 1, edited.Seq, 99} {
			_, err := n.Edit("alice", id, seq, "x")
			require.ErrorIs(t, err, domain.ErrNotFound)
		}
		_, err := n.Recall("stranger", id, first.Seq)
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, err = n.Recall("alice", domain.ConversationID{1}, first.Seq)
		require.ErrorIs(t, err, domain.ErrNotFound)
	})
	t.Run("replies to it stay, and are still accepted", func(t *testing.T) {
		a := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "r", Content: storetest.Text("reply"), ReplyTo: &first.Seq}))
		require.NoError(t, a.Err)
		storetest.Made(t, domain.MessageRecalled)(n.Recall("bob", id, a.Event.Seq))
		require.Equal(t, first.Seq, n.MustMessage(t, "bob", id, a.Event.Seq).ReplyTo)
	})
}

// An edit that races a recall never brings content back, in either order.
func TestEditRacingRecall(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	here, there := storetest.Start(t, url), storetest.Start(t, url)
	id := here.Group(t, "alice", "bob")
	for round := range 60 {
		seq := here.Post(t, "alice", id, fmt.Sprint(round), "secret").Seq
		var racing sync.WaitGroup
		for i := range 3 {
			for _, n := range []*storetest.Node{here, there} {
				racing.Go(func() {
					if _, err := n.Edit("alice", id, seq, fmt.Sprint("secret ", i), "bob"); err != nil && !errors.Is(err, domain.ErrConflict) {
						t.Error(err)
					}
				})
			}
		}
		racing.Go(func() {
			if _, err := there.Recall("alice", id, seq); err != nil {
				t.Error(err)
			}
		})
		racing.Wait()
	}
	for _, e := range here.Log(t, id) {
		require.NotContains(t, string(e.Body), "secret", "%s %d", e.Type, e.Seq)
	}
	requireNowhere(t, here, "secret")
	var left int
	require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(), `SELECT count(*) FROM mentions`).Scan(&left))
	require.Zero(t, left)
}

// requireNowhere requires that no column of any table contains the word. The search index
// follows later than the other tables, so the test waits for it: once it has indexed a
// later message, an indexer that still held the old text has written it or lost its lease.
func requireNowhere(t *testing.T, n *storetest.Node, word string) {
	t.Helper()
	conn := storetest.Connect(t, n.URL)
	n.WaitIndexed(t)
	rows, err := conn.Query(t.Context(), `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`)
	require.NoError(t, err)
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Table, Column string }])
	require.NoError(t, err)
	require.Greater(t, len(columns), 50)
	eventually.True(t, "the index follows", func() bool {
		var behind bool
		require.NoError(t, conn.QueryRow(t.Context(),
			`SELECT EXISTS (SELECT FROM search_messages WHERE strpos(terms::text, $1) > 0)`, word).Scan(&behind))
		return !behind
	})
	for _, c := range columns {
		var found int
		sql := fmt.Sprintf(`SELECT count(*) FROM %s WHERE strpos(%s::text, $1) > 0`,
			pgx.Identifier{c.Table}.Sanitize(), pgx.Identifier{c.Column}.Sanitize())
		require.NoError(t, conn.QueryRow(t.Context(), sql, word).Scan(&found), "%v", c)
		require.Zero(t, found, "%s.%s still has %s", c.Table, c.Column, word)
	}
}

func TestRecallErasesEverywhere(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice", "bob")
	post := domain.Post{
		ConversationID: id, ClientMsgID: "m", Content: storetest.Text("unspeakable"), Mentions: []domain.UserID{"bob", domain.Everyone},
		Metadata: json.RawMessage(`{"why":"unspeakable"}`),
	}
	seq := storetest.Wait(t, n.Send(t.Context(), "alice", post)).Event.Seq
	kept := n.Post(t, "alice", id, "kept", "speakable").Seq
	storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, seq, "unspeakable 2"))
	storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, seq, "unspeakable 3", "bob"))
	storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, kept, "speakable 2", "bob"))
	n.WaitIndexed(t)
	e := storetest.Made(t, domain.MessageRecalled)(n.Chat.RecallMessage(t.Context(), storetest.User("alice"), id, seq, "a slip"))
	require.JSONEq(t, fmt.Sprintf(`{"target_seq":%d,"reason":"a slip"}`, seq), string(e.Body))
	requireNowhere(t, n, "unspeakable")
	conn := storetest.Connect(t, url)
	var hashes, mentions int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE conversation_id = $1 AND hash IS NOT NULL`, id).Scan(&hashes))
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM mentions`).Scan(&mentions))
	require.Equal(t, []int{1, 1}, []int{hashes, mentions}, "those of the other message")
	for _, e := range n.Log(t, id) {
		if strings.Contains(string(e.Body), fmt.Sprintf(`"target_seq":%d`, seq)) && e.Type == domain.MessageEdited {
			require.JSONEq(t, fmt.Sprintf(`{"target_seq":%d,"content":null}`, seq), string(e.Body))
		}
	}
	for asOf := seq; asOf <= e.Seq; asOf++ {
		page, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{Limit: 10, AsOfSeq: &asOf})
		require.NoError(t, err)
		require.Equal(t, "null", string(page.Messages[0].Content), "in past states too")
		require.True(t, page.Messages[0].Recalled)
		require.Empty(t, page.Messages[0].Metadata)
		require.Empty(t, page.Messages[0].Mentions)
	}
}

// In one batch, each command about a message is decided on the state that the commands
// before it will produce.
func TestCommandsAboutOneMessageInOneBatch(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t), storetest.OneCommitter)
	mentioned := []domain.UserID{"u0", "u1", "u2", "u3"}
	id := n.Group(t, "alice", append(mentioned, "bob")...)
	for round := range 20 {
		seq := n.Post(t, "alice", id, fmt.Sprint(round), "x").Seq
		var asking sync.WaitGroup
		ask := func(call func() ([]domain.Event, error)) {
			asking.Go(func() {
				if _, err := call(); err != nil && !errors.Is(err, domain.ErrConflict) {
					t.Error(err)
				}
			})
		}
		for i := range 4 {
			ask(func() ([]domain.Event, error) { return n.Edit("alice", id, seq, fmt.Sprint(i), mentioned[i]) })
			ask(func() ([]domain.Event, error) { return n.Chat.React(t.Context(), storetest.User("bob"), id, seq, "+1") })
			ask(func() ([]domain.Event, error) {
				return n.Chat.Unreact(t.Context(), storetest.User("bob"), id, seq, "+1")
			})
			ask(func() ([]domain.Event, error) { return n.Chat.Pin(t.Context(), storetest.User("alice"), id, seq) })
			ask(func() ([]domain.Event, error) { return n.Chat.Unpin(t.Context(), storetest.User("alice"), id, seq) })
		}
		if round%2 == 0 {
			ask(func() ([]domain.Event, error) { return n.Recall("alice", id, seq) })
		}
		asking.Wait()
	}
	storetest.RequireFold(t, n, id, "bob")
	for _, u := range mentioned {
		v, err := n.Conversation(t.Context(), storetest.User(u), id, "")
		require.NoError(t, err)
		require.Equal(t, count(n.Log(t, id), u, 0).mentions, v.MentionCount, u)
	}
}

func TestReactions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	id := n.Group(t, "alice", "bob", "carol")
	seq := n.Post(t, "alice", id, "m", "x").Seq
	react := func(n *storetest.Node, who domain.UserID, emoji string) ([]domain.Event, error) {
		return n.Chat.React(t.Context(), storetest.User(who), id, seq, emoji)
	}
	e := storetest.Made(t, domain.ReactionAdded)(react(n, "bob", "👍"))
	require.JSONEq(t, fmt.Sprintf(`{"target_seq":%d,"emoji":"👍"}`, seq), string(e.Body))
	storetest.Nothing(t)(react(other, "bob", "👍"))
	storetest.Made(t, domain.ReactionAdded)(react(other, "carol", "👍"))
	storetest.Made(t, domain.ReactionAdded)(react(other, "bob", "+1"))
	require.Equal(t, []domain.Reaction{{Emoji: "👍", Count: 2, Mine: true}, {Emoji: "+1", Count: 1, Mine: true}}, n.MustMessage(t, "bob", id, seq).Reactions)
	views, err := n.Views(t.Context(), id, []domain.UserID{"alice", "bob", "carol"})
	require.NoError(t, err)
	for who, v := range views {
		require.Equal(t, n.MustMessage(t, who, id, seq), *v.LastMessage, who)
	}

	var listed []string
	for cursor := ""; ; {
		page, err := n.Reactions(t.Context(), storetest.User("bob"), id, seq, cursor, 2)
		require.NoError(t, err)
		for _, r := range page.Items {
			require.False(t, r.At.IsZero())
			listed = append(listed, r.Emoji+" "+string(r.UserID))
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Equal(t, []string{"+1 bob", "👍 bob", "👍 carol"}, listed)
	for _, c := range []struct {
		who domain.UserID
		seq int64
	}{{"bob", e.Seq}, {"bob", 99}, {"eve", seq}} {
		_, err := n.Reactions(t.Context(), storetest.User(c.who), id, c.seq, "", 2)
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
	_, err = n.Reactions(t.Context(), storetest.User("bob"), id, seq, "x", 2)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)

	storetest.Made(t, domain.ReactionRemoved)(other.Chat.Unreact(t.Context(), storetest.User("bob"), id, seq, "👍"))
	storetest.Nothing(t)(n.Chat.Unreact(t.Context(), storetest.User("bob"), id, seq, "👍"))
	require.Equal(t, []domain.Reaction{{Emoji: "👍", Count: 1}, {Emoji: "+1", Count: 1, Mine: true}}, n.MustMessage(t, "bob", id, seq).Reactions)
}

// Concurrent equal reactions on two nodes are one event for each user. Order and number of
// different reactions stay correct.
func TestConcurrentReactions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var users []domain.UserID
	for i := range 40 {
		users = append(users, domain.UserID(fmt.Sprint("u", i)))
	}
	id := nodes[0].Group(t, "alice", users...)
	seq := nodes[0].Post(t, "alice", id, "m", "x").Seq
	var events sync.Map
	var asking sync.WaitGroup
	for _, u := range users {
		for _, n := range nodes {
			asking.Go(func() {
				made, err := n.Chat.React(t.Context(), storetest.User(u), id, seq, "👍")
				if err != nil {
					t.Error(err)
				}
				for _, e := range made {
					events.Store(e.Seq, u)
				}
			})
		}
	}
	asking.Wait()
	count := 0
	events.Range(func(any, any) bool { count++; return true })
	require.Equal(t, len(users), count)
	require.Equal(t, []domain.Reaction{{Emoji: "👍", Count: len(users)}}, nodes[0].MustMessage(t, "alice", id, seq).Reactions)
	require.Len(t, nodes[0].Log(t, id), 2+len(users))
	storetest.RequireFold(t, nodes[0], id, "u1")
}

func TestAtMost100PinsUnderConcurrency(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	id := nodes[0].Group(t, "alice", "bob")
	var messages []int64
	for i := range 130 {
		messages = append(messages, nodes[0].Post(t, "alice", id, fmt.Sprint(i), "x").Seq)
	}
	limit := domain.DefaultLimits().Pins
	var mu sync.Mutex
	pinned, refused := 0, 0
	var asking sync.WaitGroup
	for i, seq := range messages {
		asking.Go(func() {
			_, err := nodes[i%2].Chat.Pin(t.Context(), storetest.User("alice"), id, seq)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				pinned++
			case errors.Is(err, domain.ErrLimitExceeded):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	asking.Wait()
	require.Equal(t, []int{limit, len(messages) - limit}, []int{pinned, refused})
	var listed []domain.PinnedMessage
	for cursor := ""; ; {
		page, err := nodes[1].Pins(t.Context(), storetest.User("bob"), id, cursor, 30)
		require.NoError(t, err)
		listed = append(listed, page.Items...)
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Len(t, listed, limit)
	for _, m := range listed {
		require.True(t, m.Pinned)
		require.Equal(t, domain.UserID("alice"), m.PinnedBy)
	}
	storetest.Made(t, domain.MessageUnpinned)(nodes[1].Chat.Unpin(t.Context(), storetest.User("alice"), id, listed[0].Seq))
	storetest.Nothing(t)(nodes[0].Chat.Unpin(t.Context(), storetest.User("alice"), id, listed[0].Seq))
	storetest.Made(t, domain.MessagePinned)(nodes[0].Chat.Pin(t.Context(), storetest.User("alice"), id, listed[0].Seq))
	_, err := nodes[0].Pins(t.Context(), storetest.User("eve"), id, "", 1)
	require.ErrorIs(t, err, domain.ErrNotFound)
	_, err = nodes[0].Pins(t.Context(), storetest.User("bob"), id, "x", 1)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)
}

// The size of a page includes edits and reactions.
func TestPagesOfEditedMessagesEndByBytes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	var ids []domain.ConversationID
	for i := range 60 {
		seq := n.Post(t, "alice", id, fmt.Sprint(i), "x").Seq
		storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, seq, strings.Repeat("y", 32_000)))
		if i%2 == 0 {
			storetest.Made(t, domain.MessagePinned)(n.Chat.Pin(t.Context(), storetest.User("alice"), id, seq))
		}
		single := n.Group(t, "alice", "carol")
		seq = n.Post(t, "alice", single, "m", "x").Seq
		storetest.Made(t, domain.MessageEdited)(n.Edit("alice", single, seq, strings.Repeat("y", 32_000)))
		ids = append(ids, single)
	}
	newest, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	requireSmall(t, newest)
	require.Greater(t, len(newest.Messages), 20)
	require.True(t, newest.HasMoreBefore)
	require.False(t, newest.HasMoreAfter, "the messages nearest to the position are returned")
	oldest, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{AfterSeq: new(int64), Limit: 1000})
	require.NoError(t, err)
	requireSmall(t, oldest)
	require.False(t, oldest.HasMoreBefore)
	require.True(t, oldest.HasMoreAfter)

	pins := 0
	for cursor := ""; ; {
		page, err := n.Pins(t.Context(), storetest.User("bob"), id, cursor, 100)
		require.NoError(t, err)
		require.NotEmpty(t, page.Items)
		requireSmall(t, page)
		pins += len(page.Items)
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Equal(t, 30, pins)

	seen := map[domain.ConversationID]bool{}
	for cursor := ""; ; {
		page, err := n.Sync(t.Context(), domain.SyncQuery{User: "carol", Cursor: cursor, Limit: 500})
		require.NoError(t, err)
		requireSmall(t, page)
		for _, v := range page.Conversations {
			require.Greater(t, len(v.LastMessage.Content), 32_000, "never the content from before the edit")
			seen[v.ConversationID] = true
		}
		if cursor = page.Cursor; page.Done {
			break
		}
	}
	require.Len(t, seen, len(ids))
}

func TestPagesOfManyReactionsEndByBytes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	for i := range 200 {
		n.Post(t, "alice", id, fmt.Sprint(i), "x")
	}
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `
		INSERT INTO reactions (conversation_id, target_seq, seq, at, emoji, user_id)
		SELECT conversation_id, seq, seq + k, at, repeat('x', 60) || k, 'bob' FROM events, generate_series(1, 100) k WHERE type = 'message.posted'`)
	require.NoError(t, err)
	newest, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	requireSmall(t, newest)
	require.EqualValues(t, 201, newest.Messages[len(newest.Messages)-1].Seq)
	require.True(t, newest.HasMoreBefore)
	require.False(t, newest.HasMoreAfter)
	oldest, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{AfterSeq: new(int64), Limit: 1000})
	require.NoError(t, err)
	requireSmall(t, oldest)
	require.EqualValues(t, 2, oldest.Messages[0].Seq)
	require.True(t, oldest.HasMoreAfter)
	around, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{AroundSeq: &newest.Messages[0].Seq, Limit: 400})
	require.NoError(t, err)
	requireSmall(t, around)
	require.Contains(t, messageSeqs(around.Messages), newest.Messages[0].Seq)
	require.True(t, around.HasMoreBefore && around.HasMoreAfter)
}

func requireSmall(t *testing.T, page any) {
	t.Helper()
	text, err := json.Marshal(page)
	require.NoError(t, err)
	require.Less(t, len(text), domain.PageBytes+40_000)
}
