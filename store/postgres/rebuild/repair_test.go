package rebuild_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

// What a node has cached is not decided on once it was repaired.
func TestRebuildIsDecidedOn(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	id := newFullGroup(t, storetest.Start(t, url))
	conn := storetest.Connect(t, url)
	_, err := conn.Exec(t.Context(), `UPDATE members SET role = 'member' WHERE user_id = 'alice'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `DELETE FROM pins`)
	require.NoError(t, err)
	n := storetest.Start(t, url)
	pin := func() ([]domain.Event, error) { return n.Chat.Pin(t.Context(), storetest.User("alice"), id, 3) }
	_, err = pin()
	require.ErrorIs(t, err, domain.ErrForbidden, "the node has cached the damage")
	_, err = conn.Exec(t.Context(), `UPDATE members SET role = 'owner' WHERE user_id = 'alice'`)
	require.NoError(t, err)
	rebuild(t, n, postgres.RebuildOptions{}) // the pins are all that differs
	storetest.Nothing(t)(pin())
	_, err = conn.Exec(t.Context(), `UPDATE members SET role = 'member' WHERE user_id = 'bob'`)
	require.NoError(t, err)
	rebuild(t, n, postgres.RebuildOptions{})
	storetest.Made(t, domain.MessageUnpinned)(n.Chat.Unpin(t.Context(), storetest.User("bob"), id, 3))
	requireFolded(t, n, id)
}

// Clients get repaired conversations with their next sync.
func TestRebuildIsSynced(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := newFullGroup(t, n)
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), `DELETE FROM mentions`)
	require.NoError(t, err)
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "carol", Limit: 10})
	require.NoError(t, err)
	require.Zero(t, page.Conversations[0].MentionCount)
	rebuild(t, n, postgres.RebuildOptions{})
	page, err = n.Sync(t.Context(), domain.SyncQuery{User: "carol", Limit: 10, Cursor: page.Cursor})
	require.NoError(t, err)
	require.Len(t, page.Conversations, 1)
	require.Equal(t, id, page.Conversations[0].ConversationID)
	require.EqualValues(t, 1, page.Conversations[0].MentionCount)
}

// A rebuild that was stopped goes on where it was; a verify begins with the first conversation.
func TestRebuildResumes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	for range 5 {
		n.Group(t, "alice", "bob")
	}
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), `UPDATE conversations SET member_count = 0`)
	require.NoError(t, err)
	var found []postgres.Difference
	ctx, stop := context.WithCancel(t.Context())
	p, err := n.Rebuild(ctx, postgres.RebuildOptions{
		Found: func(d postgres.Difference) { found = append(found, d) },
		Progress: func(p postgres.RebuildProgress) {
			if p.Conversations == 3 {
				stop()
			}
		},
	})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 3, p.Conversations)
	require.Len(t, found, 3)
	rest, p := rebuild(t, n, postgres.RebuildOptions{})
	require.Len(t, rest, 2)
	require.EqualValues(t, 3, p.Before)
	require.EqualValues(t, 2, p.Conversations)
	_, p = rebuild(t, n, postgres.RebuildOptions{})
	require.Zero(t, p.Before, "the one before came to its end")
	found, p = rebuild(t, n, postgres.RebuildOptions{Verify: true})
	require.Empty(t, found)
	require.EqualValues(t, 5, p.Conversations)
}

// harm does damage beside appends: it takes its locks in their order, heads first, or
// the two could wait for each other.
func harm(t *testing.T, conn *pgx.Conn, damage string) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT FROM conversations ORDER BY id FOR UPDATE`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), damage)
		return err
	}))
}

// Appends go on during repairs, on two nodes, and nothing is lost: neither what is
// appended nor what is repaired.
func TestRebuildUnderAppends(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	id := newFullGroup(t, nodes[0])
	conn := storetest.Connect(t, url)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	sent := make([]int, 4)
	for actor := range sent {
		running.Go(func() {
			n, who := nodes[actor%2], []domain.UserID{"alice", "bob", "carol", "alice"}[actor]
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprint(actor, "-", i)
				a := storetest.Wait(t, n.Send(context.Background(), who, domain.Post{
					ConversationID: id, ClientMsgID: key, Content: storetest.Text("x"), Mentions: []domain.UserID{"bob"},
				}))
				if a.Err != nil {
					t.Errorf("%s: %v", key, a.Err)
					return
				}
				sent[actor]++
				for _, what := range []int{8, 9, 8, 10, 11, 6, 7, 12} {
					if err := act(context.Background(), n, id, what, who, "carol", a.Event.Seq-int64(i%2), key); err != nil {
						t.Errorf("%s: %v", key, err)
					}
				}
			}
		})
	}
	for round := range 8 {
		for _, damage := range []string{
			`DELETE FROM mentions WHERE seq % 2 = 0`, `DELETE FROM reactions WHERE seq % 2 = 0`, `DELETE FROM pins`,
			`UPDATE message_states SET touched = touched + 1 WHERE seq % 3 = 0`,
			`UPDATE members SET read_message_no = 0`, `UPDATE conversations SET message_count = message_count + 3, member_count = 0`,
			`UPDATE events SET message_no = 0 WHERE seq % 5 = 0`,
		} {
			harm(t, conn, damage)
		}
		found, p := rebuild(t, nodes[round%2], postgres.RebuildOptions{})
		require.NotEmpty(t, found)
		require.Zero(t, p.Broken)
	}
	stop()
	running.Wait()
	rebuild(t, nodes[0], postgres.RebuildOptions{}) // a read may have counted from what was wrong
	requireFolded(t, nodes[0], id)
	want := 5
	for _, n := range sent {
		require.Positive(t, n)
		want += n
	}
	got := 0
	for _, e := range nodes[0].Log(t, id) {
		if e.Type == domain.MessagePosted {
			got++
		}
	}
	require.Equal(t, want, got)
}

// What is appended between the comparison and the repair is in what is written.
func TestRebuildFoldsWhatComesMeanwhile(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := newFullGroup(t, n)
	conn := storetest.Connect(t, n.URL)
	for _, damage := range []string{
		`UPDATE conversations SET member_count = 9, message_count = 9`, `UPDATE members SET role = 'admin', joined_seq = 2 WHERE user_id = 'carol'`,
		`UPDATE message_states SET touched = 9`, `DELETE FROM mentions`, `DELETE FROM reactions`, `DELETE FROM pins`,
	} {
		_, err := conn.Exec(t.Context(), damage)
		require.NoError(t, err)
	}
	var once sync.Once
	_, err := n.Rebuild(t.Context(), postgres.RebuildOptions{
		Found: func(postgres.Difference) {
			once.Do(func() {
				n.Post(t, "carol", id, "concurrent", "counted from a damaged head")
				storetest.Made(t, domain.MessageRecalled)(n.Recall("alice", id, 6))
				storetest.Made(t, domain.ReactionAdded)(n.Chat.React(t.Context(), storetest.User("carol"), id, 3, "secret emoji"))
				storetest.Made(t, domain.ReactionRemoved)(n.Chat.Unreact(t.Context(), storetest.User("carol"), id, 3, "secret emoji"))
				storetest.Made(t, domain.MessageUnpinned)(n.Chat.Unpin(t.Context(), storetest.User("alice"), id, 3))
				storetest.Made(t, domain.MemberRemoved)(n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "carol"))
			})
		},
		Progress: func(postgres.RebuildProgress) {},
	})
	require.NoError(t, err)
	requireFolded(t, n, id)
}

// More than a step writes, of everything.
func TestRebuildOfMuch(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), longLogs, 12_000)
	require.NoError(t, err)
	found, p := rebuild(t, n, postgres.RebuildOptions{})
	require.Greater(t, len(found), 12_000)
	require.Zero(t, p.Broken)
	requireFolded(t, n, id)
	require.EqualValues(t, 12_001, n.Post(t, "alice", id, "next", "x").Seq)
}
