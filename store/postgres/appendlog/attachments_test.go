package appendlog_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// ready creates an attachment whose file is uploaded.
func ready(t testing.TB, n *storetest.Node, owner domain.UserID) domain.AttachmentID {
	t.Helper()
	id := domain.AttachmentID(domain.NewConversationID(time.Now()))
	_, err := n.CreateAttachment(t.Context(), id, owner, domain.NewAttachment{Name: "a", MIME: "image/png", Size: 1}, time.Hour, time.Hour, 0)
	require.NoError(t, err)
	wanted, err := n.AttachmentUploaded(t.Context(), id)
	require.NoError(t, err)
	require.True(t, wanted)
	return id
}

func naming(id domain.AttachmentID) json.RawMessage {
	return json.RawMessage(`{"type":"file","attachment_id":"` + id.String() + `"}`)
}

func stateOf(t testing.TB, conn *pgx.Conn, id domain.AttachmentID) (state string, uses int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(),
		`SELECT state, (SELECT count(*) FROM attachment_uses u WHERE u.attachment_id = a.attachment_id) FROM attachments a WHERE attachment_id = $1`, id,
	).Scan(&state, &uses))
	return state, uses
}

// requireTrue checks that the projections are those of the log.
func requireTrue(t *testing.T, n *storetest.Node) {
	t.Helper()
	_, err := n.Rebuild(t.Context(), postgres.RebuildOptions{
		Verify: true, Progress: func(postgres.RebuildProgress) {},
		Found: func(d postgres.Difference) { t.Errorf("%+v", d) },
	})
	require.NoError(t, err)
}

// An attachment gets into one conversation, though messages of several conversations name it
// at the same moment, on several nodes and in one batch.
func TestAttachmentInOneConversation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url, storetest.OneCommitter)}
	conn := storetest.Connect(t, url)
	var groups []domain.ConversationID
	for range 6 {
		groups = append(groups, nodes[0].Group(t, "alice", "bob"))
	}
	for round := range 20 {
		id := ready(t, nodes[0], "alice")
		answers := make([]<-chan storetest.Answer, 0, 2*len(groups))
		for i, group := range groups {
			for j := range 2 {
				answers = append(answers, nodes[(i+j)%2].Send(t.Context(), "alice",
					domain.Post{ConversationID: group, ClientMsgID: fmt.Sprint(round, "-", j), Content: naming(id)}))
			}
		}
		in := map[domain.ConversationID]int{}
		for _, c := range answers {
			a := storetest.Wait(t, c)
			if a.Err != nil {
				require.ErrorIs(t, a.Err, domain.ErrInvalid)
				continue
			}
			in[a.Event.ConversationID]++
		}
		require.Len(t, in, 1, "round %d", round)
		for _, n := range in {
			require.Equal(t, 2, n, "both messages of the conversation")
		}
		state, uses := stateOf(t, conn, id)
		require.Equal(t, "attached", state)
		require.Equal(t, 2, uses)
	}
	requireTrue(t, nodes[0])
}

// A message and the sweep of orphans exclude each other: either the message is refused, or
// the attachment stays.
func TestAttachmentAndSweep(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	conn := storetest.Connect(t, url)
	group := n.Group(t, "alice", "bob")
	posted, swept := 0, 0
	for round := range 60 {
		id := ready(t, n, "alice")
		_, err := conn.Exec(t.Context(), `UPDATE attachments SET due_at = clock_timestamp() WHERE attachment_id = $1`, id)
		require.NoError(t, err)
		var sweeping sync.WaitGroup
		for range 2 {
			sweeping.Go(func() {
				if round%2 == 0 {
					time.Sleep(time.Duration(round) * 50 * time.Microsecond)
				}
				_, err := other.OrphanAttachments(t.Context(), 10)
				if err != nil {
					t.Error(err)
				}
			})
		}
		a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: group, ClientMsgID: fmt.Sprint(round), Content: naming(id)}))
		sweeping.Wait()
		state, uses := stateOf(t, conn, id)
		if a.Err == nil {
			posted++
			require.Equal(t, "attached", state)
			require.Equal(t, 1, uses)
			continue
		}
		swept++
		require.ErrorIs(t, a.Err, domain.ErrInvalid)
		require.Equal(t, "gone", state)
		require.Zero(t, uses)
	}
	t.Logf("%d posted, %d swept", posted, swept)
	requireTrue(t, n)
}

// A message that was decided before the sweep took its attachment is decided again.
func TestAttachmentGoneAfterTheDecision(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	conn := storetest.Connect(t, url)
	group := n.Group(t, "alice", "bob")
	id := ready(t, n, "alice")
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE attachments SET state = 'gone' WHERE attachment_id = $1`, id)
	require.NoError(t, err)
	answer := n.Send(t.Context(), "alice", domain.Post{ConversationID: group, ClientMsgID: "1", Content: naming(id)})
	watch := storetest.Connect(t, url)
	eventually.True(t, "the append waits for the sweep", func() bool {
		var waiting int
		require.NoError(t, watch.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%im_append_attached%'`).Scan(&waiting))
		return waiting == 1
	})
	require.NoError(t, tx.Commit(t.Context()))
	require.ErrorIs(t, storetest.Wait(t, answer).Err, domain.ErrInvalid)
}

// A batch may hold messages, an edit and recalls of the same attachments.
func TestAttachmentUses(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	conn := storetest.Connect(t, url)
	group := n.Group(t, "alice", "bob")
	post := func(msgID string, content json.RawMessage) domain.Event {
		a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: group, ClientMsgID: msgID, Content: content}))
		require.NoError(t, a.Err)
		return a.Event
	}
	edit := func(seq int64, content json.RawMessage) error {
		_, err := n.Chat.EditMessage(t.Context(), storetest.User("alice"), group, seq, domain.Edit{Content: content})
		return err
	}
	x, y := ready(t, n, "alice"), ready(t, n, "alice")
	first, second := post("1", naming(x)), post("2", storetest.Text("x"))
	require.NoError(t, edit(first.Seq, naming(y)))
	require.NoError(t, edit(second.Seq, naming(x)))
	require.NoError(t, edit(second.Seq, naming(x))) // nothing new
	state, uses := stateOf(t, conn, x)
	require.Equal(t, "attached", state)
	require.Equal(t, 2, uses)
	storetest.Made(t, domain.MessageRecalled)(n.Recall("alice", group, first.Seq))
	state, uses = stateOf(t, conn, x)
	require.Equal(t, "attached", state)
	require.Equal(t, 1, uses)
	state, uses = stateOf(t, conn, y)
	require.Equal(t, "gone", state)
	require.Zero(t, uses)
	require.ErrorIs(t, edit(second.Seq, naming(y)), domain.ErrInvalid)
	requireTrue(t, n)

	// An edit races the recall of its message, many times.
	for i := range 30 {
		z := ready(t, n, "alice")
		m := post(fmt.Sprint("race-", i), storetest.Text("x"))
		var racing sync.WaitGroup
		var edited error
		racing.Go(func() { edited = edit(m.Seq, naming(z)) })
		racing.Go(func() { _, _ = n.Recall("alice", group, m.Seq) })
		racing.Wait()
		state, uses := stateOf(t, conn, z)
		require.Zero(t, uses)
		if edited == nil {
			require.Equal(t, "gone", state, "the message was recalled after it was edited")
		} else {
			require.Equal(t, "ready", state)
		}
	}
	requireTrue(t, n)
}

// An attachment and a message in slow mode, a mention and a ban go in one batch.
func TestAttachmentsWithEverything(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url, storetest.OneCommitter)
	group := n.Group(t, "alice", "bob", "carol", "dave")
	n.SetSettings(t, group, domain.SettingsPatch{SlowModeS: new(int64(3600))})
	x, y := ready(t, n, "bob"), ready(t, n, "bob")
	answers := []<-chan storetest.Answer{
		n.Send(t.Context(), "bob", domain.Post{ConversationID: group, ClientMsgID: "1", Content: naming(x), Mentions: []domain.UserID{"carol"}}),
		n.Send(t.Context(), "bob", domain.Post{ConversationID: group, ClientMsgID: "2", Content: naming(y)}),
		n.Send(t.Context(), "alice", domain.Post{ConversationID: group, ClientMsgID: "3", Content: naming(ready(t, n, "alice"))}),
	}
	_, err := n.Chat.Ban(t.Context(), storetest.User("alice"), group, "dave", nil, "")
	require.NoError(t, err)
	require.NoError(t, storetest.Wait(t, answers[0]).Err)
	require.ErrorIs(t, storetest.Wait(t, answers[1]).Err, domain.ErrRateLimited)
	require.NoError(t, storetest.Wait(t, answers[2]).Err)
	conn := storetest.Connect(t, url)
	state, _ := stateOf(t, conn, y)
	require.Equal(t, "ready", state, "the message was refused")
	requireTrue(t, n)
}

// A batch that edits a message and then recalls it leaves nothing behind.
func TestAttachmentOfAnEditAndARecallInOneBatch(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url, storetest.OneCommitter)
	conn, watch := storetest.Connect(t, url), storetest.Connect(t, url)
	group := n.Group(t, "alice", "bob")
	m := n.Post(t, "alice", group, "1", "x")
	id := ready(t, n, "alice")
	waiting := func() (count int) {
		require.NoError(t, watch.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%im_append%'`).Scan(&count))
		return count
	}
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM conversations WHERE id = $1 FOR UPDATE`, group)
	require.NoError(t, err)
	var running sync.WaitGroup
	var edited, recalled error
	running.Go(func() {
		_, edited = n.Chat.EditMessage(t.Context(), storetest.User("alice"), group, m.Seq, domain.Edit{Content: naming(id)})
	})
	eventually.True(t, "the edit waits for the lock", func() bool { return waiting() == 1 })
	running.Go(func() { _, recalled = n.Recall("alice", group, m.Seq) })
	eventually.True(t, "the committer has given the edit up, and holds both", func() bool { return waiting() == 0 })
	require.NoError(t, tx.Commit(t.Context()))
	running.Wait()
	require.NoError(t, edited)
	require.NoError(t, recalled)
	var commits int
	require.NoError(t, watch.QueryRow(t.Context(), `SELECT count(*) FROM commits WHERE $1 = ANY (conversations)`, group).Scan(&commits))
	require.Equal(t, 3, commits, "the creation, the message, and both in one")
	state, uses := stateOf(t, watch, id)
	require.Equal(t, "gone", state)
	require.Zero(t, uses)
	requireTrue(t, n)
}

// BenchmarkAppendAttached posts with 64 messages in flight, which name no attachment or one.
func BenchmarkAppendAttached(b *testing.B) {
	for name, named := range map[string]bool{"none": false, "each": true} {
		b.Run(name, func(b *testing.B) {
			n := storetest.Start(b, pgtest.New(b))
			n.Quiet = true
			var groups []domain.ConversationID
			var contents []json.RawMessage
			for range 100 {
				groups = append(groups, n.Group(b, "alice", "bob"))
				content := json.RawMessage(`{"type":"file","url":"https://example.org/0198f2a1-7c3e-7b8d"}`)
				if named {
					content = naming(ready(b, n, "alice"))
				}
				contents = append(contents, content)
			}
			slots := make(chan struct{}, 64)
			var waiting sync.WaitGroup
			for i := 0; b.Loop(); i++ {
				slots <- struct{}{}
				waiting.Add(1)
				n.Chat.Send(b.Context(), storetest.User("alice"), domain.Post{
					ConversationID: groups[i%100], ClientMsgID: fmt.Sprint(i), Content: contents[i%100],
				}, func(_ domain.Sent, err error) {
					if err != nil {
						b.Error(err)
					}
					<-slots
					waiting.Done()
				})
			}
			waiting.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
