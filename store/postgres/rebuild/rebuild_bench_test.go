package rebuild_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

// longLogs adds $1 events to every group. Of ten, six are messages, one with a mention,
// one is an edit, two are reactions and one is a pin or unpin.
const longLogs = `
INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, target_seq, body)
SELECT c.id, s, 0, c.last_at + s * interval '1 ms', t.type, CASE WHEN s % 2 = 0 THEN 'alice' ELSE 'bob' END,
	CASE WHEN t.type = 'message.posted' THEN s::text END, NULL, replace(replace(t.body, 'TARGET', (s - s % 10)::text), 'EMOJI', s::text)::json
FROM conversations c CROSS JOIN generate_series(2, $1::int) AS s
JOIN (VALUES
	(0, 'message.posted', '{"content":{"type":"text","text":"` + hundred + `"}}'), (1, 'message.posted', '{"content":{"type":"text","text":"` + hundred + `"},"mentions":["bob"]}'),
	(2, 'message.posted', '{"content":{"type":"text","text":"` + hundred + `"}}'), (3, 'message.posted', '{"content":{"type":"text","text":"` + hundred + `"}}'),
	(4, 'message.posted', '{"content":{"type":"text","text":"` + hundred + `"}}'), (5, 'message.posted', '{"content":{"type":"text","text":"` + hundred + `"}}'),
	(6, 'message.edited', '{"target_seq":TARGET,"content":{"type":"text","text":"` + hundred + `"}}'),
	(7, 'reaction.added', '{"target_seq":TARGET,"emoji":"EMOJI"}'), (8, 'reaction.added', '{"target_seq":TARGET,"emoji":"EMOJI"}'),
	(9, 'message.pinned', '{"target_seq":TARGET}')
) AS t (n, type, body) ON t.n = s % 10`

const hundred = "A message of about a hundred characters, which is what people write to each other on an average day."

// BenchmarkRebuild folds, compares and writes logs of a group with 200,000 events,
// and of 2,000 with 100.
func BenchmarkRebuild(b *testing.B) {
	for _, c := range []struct {
		name           string
		groups, events int
	}{{"large", 1, 200_000}, {"small", 2000, 100}} {
		b.Run(c.name, func(b *testing.B) {
			n := storetest.Start(b, pgtest.New(b))
			n.Quiet = true
			for range c.groups {
				n.Group(b, "alice", "bob")
			}
			conn := storetest.Connect(b, n.URL)
			exec := func(sql string, args ...any) {
				_, err := conn.Exec(b.Context(), sql, args...)
				require.NoError(b, err)
			}
			exec(longLogs, c.events)
			exec(`VACUUM ANALYZE`)
			rebuild(b, n, postgres.RebuildOptions{})
			run := func(name string, o postgres.RebuildOptions, before string) {
				b.Run(name, func(b *testing.B) {
					var events int64
					for range b.N {
						b.StopTimer()
						exec(before)
						b.StartTimer()
						_, p := rebuild(b, n, o)
						events += p.Events
					}
					b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
				})
			}
			run("verify", postgres.RebuildOptions{Verify: true}, `VACUUM ANALYZE`)
			run("rebuild", postgres.RebuildOptions{}, `TRUNCATE mentions, message_states, reactions, pins, members`)
		})
	}
}
