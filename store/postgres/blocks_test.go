package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
)

func (n *node) block(t *testing.T, by, user domain.UserID, on bool) {
	t.Helper()
	require.NoError(t, n.SetBlock(t.Context(), by, user, on))
}

// to sends to a user and returns what became of it.
func (n *node) to(t *testing.T, from, to domain.UserID, msgID string) answer {
	t.Helper()
	return wait(t, n.send(t.Context(), from, domain.Post{To: to, ClientMsgID: msgID, Content: text("x")}))
}

// A block holds on every node when it has been answered, whatever that node has
// cached; and so does its end.
func TestBlock(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*node{start(t, url), start(t, url)}
	for _, n := range nodes { // both nodes have the conversation cached
		require.NoError(t, n.to(t, "bob", "alice", fmt.Sprintf("first %p", n)).err)
	}
	first := nodes[0].to(t, "bob", "alice", "m")
	require.NoError(t, first.err)
	id := first.Event.ConversationID
	group := nodes[0].group(t, "alice", "bob")

	for round := range 20 {
		nodes[round%2].block(t, "alice", "bob", true)
		for i, n := range nodes {
			key := fmt.Sprint(round, "-", i)
			require.ErrorIs(t, n.to(t, "bob", "alice", key).err, domain.ErrBlocked)
			a := wait(t, n.send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: key, Content: text("x")}))
			require.ErrorIs(t, a.err, domain.ErrBlocked)
			require.NoError(t, n.to(t, "alice", "bob", key).err, "who blocks may still send")
		}
		again := nodes[0].to(t, "bob", "alice", "m")
		require.NoError(t, again.err)
		require.True(t, again.Duplicate, "a duplicate is answered before permission is asked")
		nodes[0].post(t, "bob", group, fmt.Sprint("g", round), "groups are not affected")
		nodes[(round+1)%2].block(t, "alice", "bob", false)
		for i, n := range nodes {
			require.NoError(t, n.to(t, "bob", "alice", fmt.Sprint("free ", round, "-", i)).err)
		}
	}
	nodes[0].log(t, id)
}

func TestBlockBothWays(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	require.NoError(t, n.to(t, "alice", "bob", "m1").err)
	n.block(t, "alice", "bob", true)
	n.block(t, "bob", "alice", true)
	n.block(t, "bob", "alice", true) // the same again
	require.ErrorIs(t, n.to(t, "alice", "bob", "m2").err, domain.ErrBlocked)
	require.ErrorIs(t, n.to(t, "bob", "alice", "m2").err, domain.ErrBlocked)
	n.block(t, "alice", "bob", false)
	require.ErrorIs(t, n.to(t, "alice", "bob", "m2").err, domain.ErrBlocked)
	require.NoError(t, n.to(t, "bob", "alice", "m2").err)
}

func TestBlockBeforeThereIsAConversation(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	n.block(t, "alice", "bob", true)
	create := func(by, other domain.UserID) error {
		_, _, err := n.chat.Create(t.Context(), user(by), domain.Creation{Kind: domain.Direct, Members: []domain.UserID{other}})
		return err
	}
	require.ErrorIs(t, create("bob", "alice"), domain.ErrBlocked)
	require.ErrorIs(t, n.to(t, "bob", "alice", "m").err, domain.ErrBlocked)
	_, err := n.FindDirect(t.Context(), domain.DirectKey("alice", "bob"))
	require.ErrorIs(t, err, domain.ErrNotFound, "nothing was made")
	require.NoError(t, n.to(t, "alice", "bob", "m").err)
	require.ErrorIs(t, n.to(t, "bob", "alice", "m").err, domain.ErrBlocked, "it begins blocked")
	require.NoError(t, create("bob", "alice"), "what there is, is found")
}

// A block that comes while the conversation is being made waits for it.
func TestBlockRacesCreation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := start(t, url)
	conn, watch := connect(t, url), connect(t, url)
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
	require.Eventually(t, func() bool {
		var waiting bool
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE NOT granted AND locktype = 'advisory' AND d.datname = current_database())`).Scan(&waiting))
		return waiting || len(done) > 0
	}, deadline, time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, wait(t, done))
	require.ErrorIs(t, n.to(t, "bob", "alice", "m").err, domain.ErrBlocked)
}

func TestBlocksArePaged(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	for i := range 5 {
		n.block(t, "alice", domain.UserID(fmt.Sprint("u", i)), true)
	}
	n.block(t, "bob", "u9", true)
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
