package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// Seeded events are stored by SQL, in conversations of two members.
const (
	eventsPerConversation = 1_000
	seedBatch             = 100 // conversations of one statement
	seedProgressEvery     = 1_000
)

// seedSQL creates the conversations $1 … $2, each with $3 events: its creation and
// messages. Their ids and users are those of seededID and seededUser. $4 is the text
// of the messages.
const seedSQL = `
WITH made AS (
    SELECT n, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
        'seed-a' || n AS a, 'seed-b' || n AS b,
        now() - interval '30 days' + n * interval '1 millisecond' AS at
    FROM generate_series($1::int, $2::int) AS n
), conversation AS (
    INSERT INTO conversations (id, created_at, last_at, head_seq, version, message_count, last_message_seq, changed,
        member_count, kind, creator, settings)
    SELECT id, at, at + $3::int * interval '1 second', $3, 1, $3 - 1, $3, pg_current_xact_id(),
        2, 'group', a, '{"sendFrame":"everyone","joining":"invite","history":"all","receipts":true}'
    FROM made
), member AS (
    INSERT INTO members (conversation_id, user_id, role, joined_seq, read_seq, read_message_no, changed)
    SELECT id, a, 'owner', 1, $3, $3 - 1, pg_current_xact_id() FROM made
    UNION ALL
    SELECT id, b, 'member', 1, $3, $3 - 1, pg_current_xact_id() FROM made
)
INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, hash, body)
SELECT id, seq, seq - 1, at + seq * interval '1 second',
    CASE WHEN seq = 1 THEN 'conversation.created' ELSE 'message.posted' END,
    CASE WHEN seq % 2 = 1 THEN a ELSE b END,
    CASE WHEN seq > 1 THEN md5(n || '-' || seq) END,
    CASE WHEN seq > 1 THEN sha256(convert_to(n || '-' || seq, 'UTF8')) END,
    CASE WHEN seq = 1
        THEN json_build_object('kind', 'group', 'title', null, 'avatar_url', null,
            'settings', '{"sendFrame":"everyone","joining":"invite","history":"all","receipts":true}'::json, 'metadata', null,
            'members', json_build_array(json_build_object('user_id', a, 'role', 'owner'), json_build_object('user_id', b, 'role', 'member')))
        ELSE json_build_object('content', json_build_object('type', 'text', 'text', $4::text))
    END
FROM made, generate_series(1, $3::int) AS seq
ORDER BY id, seq`

// Autovacuum and checkpoints must not run during the measurement, so they run before.
const (
	settleSQL     = `VACUUM (ANALYZE)`
	checkpointSQL = `CHECKPOINT`
)

// seed stores events and returns the number of their conversations.
func seed(ctx context.Context, url string, events int64, say func(string, ...any)) (conversations int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	conversations = max(1, int(events/eventsPerConversation))
	for from := 0; from < conversations; from += seedBatch {
		to := min(from+seedBatch, conversations)
		if _, err := conn.Exec(ctx, seedSQL, from, to-1, eventsPerConversation, text100); err != nil {
			return 0, err
		}
		if to%seedProgressEvery == 0 || to == conversations {
			say("  stored %d of %d events", to*eventsPerConversation, events)
		}
	}
	if _, err := conn.Exec(ctx, settleSQL); err != nil {
		return 0, err
	}
	_, err = conn.Exec(ctx, checkpointSQL)
	return conversations, err
}

func seededID(n int) domain.ConversationID {
	id, err := domain.ParseConversationID("/conversation_id", fmt.Sprintf("01900000-0000-7000-8000-%012x", n))
	if err != nil {
		panic(err) // the format is wrong
	}
	return id
}

func seededUser(kind string, n int) domain.UserID {
	return domain.UserID(fmt.Sprintf("seed-%s%d", kind, n))
}
