package appendlog

import (
	"context"
	"encoding/json"
	"time"

	"im/domain"
	"im/internal/tracing"
	"im/store/postgres/internal/pg"
)

const (
	// All other rows are inserted from the inserted row of conversations. If a conversation
	// with this id or one of its keys exists, the statement inserts nothing.
	createSQL = `
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), made AS (
	INSERT INTO conversations (id, kind, creator, direct_key, client_conversation_id, client_hash, title, avatar_url, settings, metadata,
		created_at, last_at, head_seq, version, message_count, last_message_seq, member_count, changed,
		blocked)
	VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''), $6, $7, $8, $9::text::json, $10::text::json,
		(SELECT now FROM clock), (SELECT now FROM clock), 1, 1, 0, 0, cardinality($11::text[]), pg_current_xact_id(),
		im_direct_blocks_1($4, $3))
	ON CONFLICT DO NOTHING
	RETURNING id, last_at
), event AS (
	INSERT INTO events (conversation_id, seq, message_no, at, type, sender, body)
	SELECT id, 1, 0, last_at, 'conversation.created', $3, $13::text::json FROM made
), entered AS (
	INSERT INTO members (user_id, conversation_id, role, joined_seq, read_seq, read_message_no, changed)
	SELECT m.user_id, made.id, m.role, 1, 1, 0, pg_current_xact_id()
	FROM made, unnest($11::text[], $12::text[]) AS m (user_id, role)
	ORDER BY m.user_id COLLATE "C"
), feed AS (
	INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
	SELECT id, last_at, $14, ARRAY[id], ARRAY[1], ARRAY[1], ARRAY[true] FROM made
)
SELECT last_at FROM made`

	findCreatedSQL = `
SELECT id, created_at, CASE WHEN creator = $3 AND client_conversation_id = nullif($4, '') THEN client_hash END
FROM conversations
WHERE id = $1 OR direct_key = nullif($2, '') OR creator = $3 AND client_conversation_id = nullif($4, '')
ORDER BY id = $1 DESC, 3 NULLS LAST LIMIT 1`

	findDirectSQL = `SELECT id FROM conversations WHERE direct_key = $1`
)

// Create implements domain.Log. It returns within Options.Timeout.
func (l *Log) Create(ctx context.Context, n domain.NewConversation) (domain.ConversationID, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	body, err := json.Marshal(n.Created)
	if err != nil {
		return domain.ConversationID{}, false, domain.ErrInternal.WithCause(err)
	}
	pause := firstPause
	for {
		id, created, err := l.create(ctx, n, body)
		if err == nil || ctx.Err() != nil || !pg.ConnectionLost(err) && !pg.Transient(err) {
			return id, created, pg.Translate(err)
		}
		// The outcome may be unknown: the next attempt creates the conversation or finds it.
		l.db.ResetIfBroken(err)
		pg.Sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

func (l *Log) create(ctx context.Context, n domain.NewConversation, body []byte) (domain.ConversationID, bool, error) {
	attempt, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	var hash []byte
	if n.ClientConversationID != "" {
		hash = n.Hash[:]
	}
	users := make([]string, len(n.Created.Members))
	roles := make([]string, len(n.Created.Members))
	for i, m := range n.Created.Members {
		users[i], roles[i] = string(m.UserID), string(m.Role)
	}
	var at time.Time
	err := l.db.Pool.QueryRow(attempt, createSQL,
		n.ID, string(n.Created.Kind), string(n.Creator), n.DirectKey, n.ClientConversationID, hash,
		n.Created.Title, n.Created.AvatarURL, pg.SettingsJSON(n.Created.Settings), pg.NullableJSON(n.Created.Metadata),
		users, roles, string(body), l.options.Node,
	).Scan(&at)
	if pg.NoRows(err) {
		return l.findCreated(attempt, n, body)
	}
	if err != nil {
		return domain.ConversationID{}, false, err
	}
	l.publishCreated(ctx, n, at, body)
	return n.ID, true, nil
}

// findCreated returns the conversation that exists already. If its id is the new one, an
// earlier attempt has created it.
func (l *Log) findCreated(ctx context.Context, n domain.NewConversation, body []byte) (id domain.ConversationID, created bool, err error) {
	var hash []byte
	var at time.Time
	row := l.db.Pool.QueryRow(ctx, findCreatedSQL, n.ID, n.DirectKey, string(n.Creator), n.ClientConversationID)
	if err := row.Scan(&id, &at, &hash); err != nil {
		return id, false, err
	}
	if id == n.ID {
		l.publishCreated(ctx, n, at, body)
		return id, true, nil
	}
	if hash != nil && string(hash) != string(n.Hash[:]) {
		return domain.ConversationID{}, false, domain.ErrIdempotencyConflict
	}
	return id, false, nil
}

// publishCreated publishes the first event of a conversation.
func (l *Log) publishCreated(ctx context.Context, n domain.NewConversation, at time.Time, body []byte) {
	e := domain.Event{
		ConversationID: n.ID, Seq: 1, Type: domain.ConversationCreated, Sender: n.Creator, At: domain.TimeOf(at), Body: body,
	}
	var audience []domain.UserID
	if len(n.Created.Members) <= domain.MaxAudience {
		audience = make([]domain.UserID, 0, len(n.Created.Members))
		for _, m := range n.Created.Members {
			audience = append(audience, m.UserID)
		}
	}
	c := domain.Committed{ConversationID: n.ID, Events: []domain.Event{e}, Audience: audience, Epoch: l.db.KnownEpoch()}
	if span := tracing.FromContext(ctx); span != nil {
		c.Traces = map[int]string{0: span.Traceparent()}
	}
	l.committed([]domain.Committed{c})
}

// FindDirect implements domain.Log.
func (l *Log) FindDirect(ctx context.Context, key string) (id domain.ConversationID, err error) {
	err = l.db.Read(ctx, func(ctx context.Context) error {
		err := l.db.Pool.QueryRow(ctx, findDirectSQL, key).Scan(&id)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return id, err
}
