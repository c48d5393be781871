package postgres_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/migrations"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

// migrateTo runs migrations up or down to a number.
func migrateTo(t *testing.T, conn *pgx.Conn, number int32) {
	t.Helper()
	m, err := migrate.NewMigrator(t.Context(), conn, "public.im_schema_version")
	require.NoError(t, err)
	require.NoError(t, m.LoadMigrations(migrations.Files))
	require.NoError(t, m.MigrateTo(t.Context(), number))
}

// earlierReaction is a reaction as a node of an earlier version decides it: the emoji is as
// the client wrote it.
type earlierReaction struct {
	id     domain.ConversationID
	user   domain.UserID
	target int64
	emoji  string
	remove bool
}

func (r earlierReaction) Target() domain.ConversationID      { return r.id }
func (r earlierReaction) Key() (domain.IdempotencyKey, bool) { return domain.IdempotencyKey{}, false }
func (r earlierReaction) Size() int                          { return 100 }

func (r earlierReaction) MessageQuery() domain.MessageQuery {
	return domain.MessageQuery{Seq: r.target, User: r.user, Emoji: r.emoji}
}

func (r earlierReaction) Decide(*domain.Conversation) ([]domain.Draft, error) {
	body, err := json.Marshal(domain.ReactionBody{TargetSeq: r.target, Emoji: r.emoji})
	d := domain.Draft{Type: domain.ReactionAdded, Sender: r.user, Body: body, Target: r.target, Emoji: r.emoji}
	if r.remove {
		d.Type = domain.ReactionRemoved
	}
	return []domain.Draft{d}, err
}

// submit appends the command, which must make an event.
func submit(t *testing.T, n *storetest.Node, c domain.Command) domain.Event {
	t.Helper()
	made := make(chan domain.Event, 1)
	n.Submit(t.Context(), c, func(o domain.Outcome, err error) {
		if err != nil || len(o.Events) != 1 {
			t.Errorf("%+v: %v, %d events", c, err, len(o.Events))
		}
		made <- slices.Concat(o.Events, []domain.Event{{}})[0]
	})
	return storetest.Wait(t, made)
}

// What users reacted with before there was one form of an emoji is one reaction after the
// migration, and can be removed in any form.
func TestMigrationOfReactions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice", "bob", "carol", "dave")
	seq := n.Post(t, "alice", id, "1", "hello").Seq
	other := n.Post(t, "alice", id, "2", "hello").Seq
	const bare, form = "❤", "❤\uFE0F"
	stored := map[earlierReaction]domain.Event{}
	do := func(r earlierReaction) {
		r.id = id
		e := submit(t, n, r)
		if r.remove {
			r.remove = false
			delete(stored, r)
		} else {
			stored[r] = e
		}
	}
	do(earlierReaction{user: "alice", target: seq, emoji: form})
	do(earlierReaction{user: "alice", target: seq, emoji: bare})
	do(earlierReaction{user: "bob", target: seq, emoji: bare})
	do(earlierReaction{user: "bob", target: seq, emoji: form})
	do(earlierReaction{user: "bob", target: seq, emoji: form, remove: true}) // ❤ is left in the table, but not after the migration
	do(earlierReaction{user: "carol", target: seq, emoji: form})
	do(earlierReaction{user: "dave", target: seq, emoji: "+1"})
	do(earlierReaction{user: "dave", target: other, emoji: bare})

	// The table as the version before left it.
	conn := storetest.Connect(t, url)
	migrateTo(t, conn, 4)
	_, err := conn.Exec(t.Context(), `DELETE FROM reactions`)
	require.NoError(t, err)
	for r, e := range stored {
		_, err := conn.Exec(t.Context(), `INSERT INTO reactions (conversation_id, target_seq, seq, at, emoji, user_id) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, r.target, e.Seq, e.At.Time, r.emoji, string(r.user))
		require.NoError(t, err)
	}
	require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: url, Logger: slog.New(slog.DiscardHandler)}))

	n = storetest.Start(t, url)
	requireNoDifference(t, n)
	require.Equal(t, []domain.Reaction{{Emoji: bare, Count: 2, Mine: true}, {Emoji: "+1", Count: 1}}, n.MustMessage(t, "carol", id, seq).Reactions)
	require.Equal(t, []domain.Reaction{{Emoji: bare, Count: 1}}, n.MustMessage(t, "carol", id, other).Reactions)
	for _, form := range []string{bare, form} {
		storetest.Nothing(t)(n.Chat.React(t.Context(), storetest.User("alice"), id, seq, form))
	}
	storetest.Made(t, domain.ReactionRemoved)(n.Chat.Unreact(t.Context(), storetest.User("alice"), id, seq, bare))
	storetest.Made(t, domain.ReactionRemoved)(n.Chat.Unreact(t.Context(), storetest.User("carol"), id, seq, form))
	require.Equal(t, []domain.Reaction{{Emoji: "+1", Count: 1}}, n.MustMessage(t, "carol", id, seq).Reactions)
	storetest.RequireFold(t, n, id, "carol")
	requireNoDifference(t, n)
}

// A node of the version before still appends emojis as clients wrote them, while nodes of
// this version run beside it.
func TestReactionsOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	seq := n.Post(t, "alice", id, "1", "hello").Seq
	submit(t, n, earlierReaction{id: id, user: "bob", target: seq, emoji: "❤\uFE0F"})
	storetest.Nothing(t)(n.Chat.React(t.Context(), storetest.User("bob"), id, seq, "❤"))
	require.Equal(t, []domain.Reaction{{Emoji: "❤", Count: 1, Mine: true}}, n.MustMessage(t, "bob", id, seq).Reactions)
	storetest.Made(t, domain.ReactionRemoved)(n.Chat.Unreact(t.Context(), storetest.User("bob"), id, seq, "❤"))
	require.Empty(t, n.MustMessage(t, "bob", id, seq).Reactions)
	storetest.RequireFold(t, n, id, "bob")
	requireNoDifference(t, n)
}
