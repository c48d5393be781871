package main

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
)

func TestRebuild(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer store.Close()
	chat := domain.NewChat(store, domain.DefaultLimits())
	id, _, err := chat.Create(t.Context(), domain.Actor{User: "alice"}, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	damage := func() {
		_, err := conn.Exec(t.Context(), `UPDATE conversations SET member_count = 5, title = 'hush'`)
		require.NoError(t, err)
	}
	env := []string{"IM_DATABASE_URL=" + url}
	run := func(code int, args ...string) string {
		p := start(t, env, append([]string{"rebuild"}, args...)...)
		require.Equal(t, code, p.wait(), p.err)
		return p.out.String()
	}
	require.Contains(t, run(0, "--verify"), "1 conversations, 1 events")
	damage()
	out := run(1, "--verify", "--conversation", id.String())
	require.Contains(t, out, id.String()+", conversations, member_count: 5, the log says 2\n")
	require.Contains(t, out, id.String()+", conversations, title: differs\n")
	require.NotContains(t, out, "hush")

	lines := bufio.NewScanner(strings.NewReader(run(1, "--verify", "--json")))
	var columns []string
	var summary rebuildSummary
	for lines.Scan() {
		var line struct {
			Difference postgres.Difference
			Summary    *rebuildSummary
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		if line.Summary != nil {
			summary = *line.Summary
			continue
		}
		columns = append(columns, line.Difference.Column)
		require.Equal(t, id, line.Difference.ConversationID)
	}
	require.Equal(t, []string{"member_count", "title"}, columns)
	require.True(t, summary.Done)
	require.EqualValues(t, 2, summary.Differences)

	require.Contains(t, run(0), "2 differences")
	require.Contains(t, run(0, "--verify"), "0 differences")

	for _, args := range [][]string{{"--conversation", "x"}, {"--pause", "-1s"}} {
		run(2, args...)
	}
	run(1, "--conversation", domain.NewConversationID(time.Now()).String())
	_, err = conn.Exec(t.Context(), `DELETE FROM events`)
	require.NoError(t, err)
	run(1)
}
