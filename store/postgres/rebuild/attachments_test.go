package rebuild_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

// Which messages name which attachments follows from the log, and so does which of them are
// gone: damage is found and repaired.
func TestRebuildRepairsAttachments(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	id := n.Group(t, "alice", "bob")
	var seqs []int64
	for i := range 3 {
		file := domain.AttachmentID(domain.NewConversationID(time.Now()))
		_, err := n.CreateAttachment(t.Context(), file, "alice", domain.NewAttachment{Name: "a", MIME: "image/png", Size: 1}, time.Hour, time.Hour, 0)
		require.NoError(t, err)
		_, err = n.AttachmentUploaded(t.Context(), file)
		require.NoError(t, err)
		a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{
			ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: json.RawMessage(`{"type":"file","attachment_id":"` + file.String() + `"}`),
		}))
		require.NoError(t, a.Err)
		seqs = append(seqs, a.Event.Seq)
	}
	storetest.Made(t, domain.MessageRecalled)(n.Recall("alice", id, seqs[2]))
	requireFolded(t, n, id)
	for _, c := range []struct{ table, damage string }{
		{"attachment_uses", `DELETE FROM attachment_uses`},
		{"attachment_uses", `UPDATE attachment_uses SET seq = seq + 100`},
		{"attachment_uses", `INSERT INTO attachment_uses SELECT conversation_id, 1, attachment_id FROM attachments`},
		{"attachments", `UPDATE attachments SET state = 'gone', due_at = now() WHERE state = 'attached'`},
		{"attachments", `UPDATE attachments SET state = 'attached', due_at = 'infinity'`},
	} {
		_, err := conn.Exec(t.Context(), c.damage)
		require.NoError(t, err)
		found, _ := rebuild(t, n, postgres.RebuildOptions{Verify: true})
		named := false
		for _, d := range found {
			named = named || d.Table == c.table
		}
		require.True(t, named, "%s: %v", c.damage, found)
		rebuild(t, n, postgres.RebuildOptions{})
		requireFolded(t, n, id)
		var states string
		require.NoError(t, conn.QueryRow(t.Context(), `
			SELECT string_agg(state || CASE WHEN due_at = 'infinity' THEN '' ELSE '!' END, ' ' ORDER BY attachment_id)
				|| ' ' || (SELECT count(*) FROM attachment_uses) FROM attachments`).Scan(&states))
		require.Equal(t, "attached attached gone! 2", states, c.damage)
	}
}
