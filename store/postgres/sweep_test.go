package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	a, b := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	conn := storetest.Connect(t, n.URL)
	for _, device := range []domain.DeviceID{"gone", "used"} {
		for _, id := range []domain.ConversationID{a, b} {
			require.NoError(t, n.Acknowledge(t.Context(), []domain.Ack{{User: "bob", Device: device, ConversationID: id, Seq: 1}}))
		}
	}
	_, err := conn.Exec(t.Context(), `UPDATE device_cursors SET used_at = now() - interval '31 days'
		WHERE device_id = 'gone' OR conversation_id = $1`, a)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours' WHERE conversations = ARRAY[$1::uuid]`, a)
	require.NoError(t, err)
	require.NoError(t, n.SweepNow(t.Context()))

	var devices, commits int
	require.NoError(t, conn.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM device_cursors), (SELECT count(*) FROM commits)`).Scan(&devices, &commits))
	require.Equal(t, 2, devices, "a device that is used keeps all its cursors")
	require.Equal(t, 1, commits)
}
