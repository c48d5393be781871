package users_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// A block, and its end, is effective on every node when SetBlock has returned, whatever
// the node has cached.
func TestBlock(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	for _, n := range nodes { // both nodes have the conversation cached
		require.NoError(t, n.SendTo(t, "bob", "alice", fmt.Sprintf("first %p", n)).Err)
	}
	first := nodes[0].SendTo(t, "bob", "alice", "m")
	require.NoError(t, first.Err)
	id := first.Event.ConversationID
	group := nodes[0].Group(t, "alice", "bob")

	for round := range 20 {
		nodes[round%2].Block(t, "alice", "bob", true)
		for i, n := range nodes {
			key := fmt.Sprint(round, "-", i)
			require.ErrorIs(t, n.SendTo(t, "bob", "alice", key).Err, domain.ErrBlocked)
			a := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: key, Content: storetest.Text("x")}))
			require.ErrorIs(t, a.Err, domain.ErrBlocked)
			require.NoError(t, n.SendTo(t, "alice", "bob", key).Err, "the blocker may still send")
		}
		again := nodes[0].SendTo(t, "bob", "alice", "m")
		require.NoError(t, again.Err)
		require.True(t, again.Duplicate, "a duplicate is answered before permissions are checked")
		nodes[0].Post(t, "bob", group, fmt.Sprint("g", round), "groups are not affected")
		nodes[(round+1)%2].Block(t, "alice", "bob", false)
		for i, n := range nodes {
			require.NoError(t, n.SendTo(t, "bob", "alice", fmt.Sprint("free ", round, "-", i)).Err)
		}
	}
	nodes[0].Log(t, id)
}

func TestBlockBothWays(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	require.NoError(t, n.SendTo(t, "alice", "bob", "m1").Err)
	n.Block(t, "alice", "bob", true)
	n.Block(t, "bob", "alice", true)
	n.Block(t, "bob", "alice", true) // the same again
	require.ErrorIs(t, n.SendTo(t, "alice", "bob", "m2").Err, domain.ErrBlocked)
	require.ErrorIs(t, n.SendTo(t, "bob", "alice", "m2").Err, domain.ErrBlocked)
	n.Block(t, "alice", "bob", false)
	require.ErrorIs(t, n.SendTo(t, "alice", "bob", "m2").Err, domain.ErrBlocked)
	require.NoError(t, n.SendTo(t, "bob", "alice", "m2").Err)
}

func TestBlockBeforeTheConversationExists(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	n.Block(t, "alice", "bob", true)
	create := func(by, other domain.UserID) error {
		_, _, err := n.Chat.Create(t.Context(), storetest.User(by), domain.Creation{Kind: domain.Direct, Members: []domain.UserID{other}})
		return err
	}
	require.ErrorIs(t, create("bob", "alice"), domain.ErrBlocked)
	require.ErrorIs(t, n.SendTo(t, "bob", "alice", "m").Err, domain.ErrBlocked)
	_, err := n.FindDirect(t.Context(), domain.DirectKey("alice", "bob"))
	require.ErrorIs(t, err, domain.ErrNotFound, "no conversation was created")
	require.NoError(t, n.SendTo(t, "alice", "bob", "m").Err)
	require.ErrorIs(t, n.SendTo(t, "bob", "alice", "m").Err, domain.ErrBlocked, "the new conversation is blocked")
	require.NoError(t, create("bob", "alice"), "an existing conversation is found")
}

// A block during the creation of the conversation waits for the creation.
func TestBlockRacingCreation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	conn, watch := storetest.Connect(t, url), storetest.Connect(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	key := domain.DirectKey("alice", "bob")
	id := domain.NewConversationID(time.Now())
	_, err = tx.Exec(t.Context(), `
		INSERT INTO conversations (id, kind, creator, direct_key, settings, created_at, last_at, head_seq, version, message_count,
			last_message_seq, member_count, changed, blocked)
		VALUES ($1, 'direct', 'bob', $2::text, '{}', now(), now(), 1, 1, 0, 0, 2, pg_current_xact_id(), im_direct_blocks_1($2::text, 'bob'))`, id, key)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `INSERT INTO events (conversation_id, seq, message_no, at, type, sender, body)
		VALUES ($1, 1, 0, now(), 'conversation.created', 'bob', '{}')`, id)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `INSERT INTO members (user_id, conversation_id, role, joined_seq, read_seq, read_message_no, changed)
		SELECT u, $1, 'member', 1, 1, 0, pg_current_xact_id() FROM unnest('{alice,bob}'::text[]) u`, id)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- n.SetBlock(context.Background(), "alice", "bob", true) }()
	eventually.True(t, "the block waits for the creation", func() bool {
		var waiting bool
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE NOT granted AND locktype = 'advisory' AND d.datname = current_database())`).Scan(&waiting))
		return waiting || len(done) > 0
	})
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, storetest.Wait(t, done))
	require.ErrorIs(t, n.SendTo(t, "bob", "alice", "m").Err, domain.ErrBlocked)
}

func TestBlocksPages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	for i := range 5 {
		n.Block(t, "alice", domain.UserID(fmt.Sprint("u", i)), true)
	}
	n.Block(t, "bob", "u9", true)
	var found []domain.UserID
	cursor := ""
	for {
		page, err := n.Blocks(t.Context(), "alice", cursor, 2)
		require.NoError(t, err)
		for _, b := range page.Items {
			found = append(found, b.UserID)
			require.WithinDuration(t, time.Now(), b.Since.Time, time.Minute)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Equal(t, []domain.UserID{"u0", "u1", "u2", "u3", "u4"}, found)
	_, err := n.Blocks(t.Context(), "alice", "x", 2)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)
}
