package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// A report keeps the message as it stood, though it is recalled and erased from the log. Only
// users who may read a message report it, each once.
func TestReports(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol")
	seq := n.Post(t, "bob", id, "1", "first words").Seq
	storetest.Made(t, domain.MessageEdited)(n.Edit("bob", id, seq, "bad words"))
	report := func(who domain.UserID, seq int64, category domain.ReportCategory) error {
		return n.Report(t.Context(), storetest.User(who), id, seq, domain.NewReport{Category: category, Text: "because"})
	}
	require.NoError(t, report("alice", seq, "spam"))
	require.NoError(t, report("alice", seq, "abuse"), "a second report changes nothing")
	require.NoError(t, report("bob", seq, "other"), "one's own message")
	for _, who := range []domain.UserID{"eve", "mallory"} {
		require.ErrorIs(t, report(who, seq, "spam"), domain.ErrNotFound)
	}
	require.ErrorIs(t, report("alice", 1, "spam"), domain.ErrNotFound, "not a message")
	require.ErrorIs(t, report("alice", 99, "spam"), domain.ErrNotFound)
	n.SetHistory(t, id, domain.HistorySinceJoin)
	n.AddMember(t, id, "dave")
	require.ErrorIs(t, report("dave", seq, "spam"), domain.ErrNotFound, "below the floor")

	storetest.Made(t, domain.MessageRecalled)(n.Recall("bob", id, seq))
	require.ErrorIs(t, report("carol", seq, "spam"), domain.ErrConflict)
	require.NoError(t, report("alice", seq, "spam"), "the repetition of a report")
	require.JSONEq(t, `null`, string(n.MustMessage(t, "alice", id, seq).Content))
	page, err := n.ListReports(t.Context(), domain.ReportOpen, "", 1)
	require.NoError(t, err)
	require.NotNil(t, page.NextCursor)
	first := page.Items[0]
	require.JSONEq(t, string(storetest.Text("bad words")), string(first.Content))
	require.Equal(t, []any{domain.UserID("alice"), domain.UserID("bob"), domain.ReportCategory("spam"), "because", seq},
		[]any{first.Reporter, first.Sender, first.Category, first.Text, first.Seq})
	page, err = n.ListReports(t.Context(), "", *page.NextCursor, 10)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Nil(t, page.NextCursor)

	decided, err := n.DecideReport(t.Context(), first.ReportID, domain.ReportAccepted)
	require.NoError(t, err)
	require.Equal(t, domain.ReportAccepted, decided.State)
	require.True(t, decided.UpdatedAt.After(first.UpdatedAt.Time))
	page, err = n.ListReports(t.Context(), domain.ReportOpen, "", 10)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	_, err = n.DecideReport(t.Context(), id.String(), domain.ReportAccepted)
	require.ErrorIs(t, err, domain.ErrNotFound)
	for _, forged := range []string{"x", "bw"} {
		_, err = n.ListReports(t.Context(), "", forged, 10)
		require.ErrorIs(t, err, domain.ErrCursorInvalid)
	}
}

// Reports go after their time, and bans from the app when they have ended.
func TestSweepOfModeration(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	for _, key := range []string{"old", "new"} {
		seq := n.Post(t, "bob", id, key, key).Seq
		require.NoError(t, n.Report(t.Context(), storetest.User("alice"), id, seq, domain.NewReport{Category: "spam"}))
	}
	require.NoError(t, n.BanUser(t.Context(), "eve", nil, ""))
	require.NoError(t, n.BanUser(t.Context(), "mallory", nil, ""))
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), `UPDATE reports SET created_at = now() - interval '91 days' WHERE seq = 2`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE user_bans SET until = now() - interval '1 second' WHERE user_id = 'eve'`)
	require.NoError(t, err)
	require.NoError(t, n.SweepNow(t.Context()))
	page, err := n.ListReports(t.Context(), "", "", 10)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.EqualValues(t, 3, page.Items[0].Seq)
	var bans int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM user_bans`).Scan(&bans))
	require.Equal(t, 1, bans)
}
