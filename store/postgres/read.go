package postgres

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

const (
	markReadSQL = `
UPDATE members m SET read_seq = e.seq, read_message_no = e.message_no, changed = pg_current_xact_id()
FROM conversations c JOIN events e ON e.conversation_id = c.id AND e.seq = least($3::bigint, c.head_seq)
WHERE c.id = $2 AND m.conversation_id = c.id AND m.user_id = $1 AND m.left_seq IS NULL AND m.read_seq < e.seq`

	readStateSQL = `
SELECT v.read_seq, v.unread_count, v.mention_count, (
	SELECT coalesce(sum(c.message_count - m.read_message_no), 0)::bigint
	FROM members m JOIN conversations c ON c.id = m.conversation_id
	WHERE m.user_id = $1 AND m.left_seq IS NULL
)
FROM im_views_1(ARRAY[$1::text], ARRAY[$2::uuid], '') v WHERE v.role IS NOT NULL`
)

// MarkRead moves the actor's read position to seq, or to the head if that is
// lower, and never back, and returns where it is. ErrNotFound for who is not a
// member, backends included: they read nothing.
func (s *Store) MarkRead(
	ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64,
) (state domain.ReadState, err error) {
	state.ConversationID = id
	err = s.read(ctx, func(ctx context.Context) error {
		var b pgx.Batch
		b.Queue(markReadSQL, string(a.User), id, seq)
		b.Queue(readStateSQL, string(a.User), id).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&state.ReadSeq, &state.UnreadCount, &state.MentionCount, &state.UnreadTotal)
			if noRows(err) {
				return domain.ErrNotFound
			}
			return err
		})
		return s.pool.SendBatch(ctx, &b).Close()
	})
	return state, err
}

const acknowledgeSQL = `
INSERT INTO device_cursors AS d (user_id, device_id, conversation_id, acked_seq, used_at)
SELECT a.user_id, a.device_id, a.conversation_id, least(max(a.seq), c.head_seq), now()
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[]) AS a (user_id, device_id, conversation_id, seq)
JOIN members m ON m.user_id = a.user_id AND m.conversation_id = a.conversation_id AND m.left_seq IS NULL
JOIN conversations c ON c.id = a.conversation_id
WHERE a.seq > 0
GROUP BY a.user_id, a.device_id, a.conversation_id, c.head_seq
ORDER BY a.user_id COLLATE "C", a.device_id COLLATE "C", a.conversation_id
ON CONFLICT (user_id, device_id, conversation_id) DO UPDATE
SET acked_seq = greatest(d.acked_seq, excluded.acked_seq), used_at = excluded.used_at
WHERE d.acked_seq < excluded.acked_seq OR d.used_at < excluded.used_at - interval '1 day'`

// ackChunk bounds how many cursors one statement locks.
const ackChunk = 2000

// Acknowledge notes what devices have stored; nothing ever goes back, beyond the
// head is the head, and those of no members are ignored. After an error, some may
// have been noted: repeat them all.
func (s *Store) Acknowledge(ctx context.Context, acks []domain.Ack) error {
	acks = slices.Clone(acks)
	slices.SortFunc(acks, compareAcks)
	for chunk := range slices.Chunk(acks, ackChunk) {
		n := len(chunk)
		users, devices, ids, seqs := make([]string, n), make([]string, n), make([][16]byte, n), make([]int64, n)
		for i, a := range chunk {
			users[i], devices[i], ids[i], seqs[i] = string(a.User), string(a.Device), a.ConversationID, a.Seq
		}
		err := s.read(ctx, func(ctx context.Context) error {
			_, err := s.pool.Exec(ctx, acknowledgeSQL, users, devices, ids, seqs)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func compareAcks(a, b domain.Ack) int {
	return cmp.Or(
		cmp.Compare(a.User, b.User),
		cmp.Compare(a.Device, b.Device),
		bytes.Compare(a.ConversationID[:], b.ConversationID[:]),
	)
}
