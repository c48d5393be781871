package users

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const markReadSQL = `SELECT * FROM im_mark_read_1($1, $2, $3)`

// MarkRead moves the actor's read position to seq, or to the head if the head is lower,
// and returns the position. A position never moves back. If the actor is not a member,
// the error is ErrNotFound; backends have no read position.
func (r *Records) MarkRead(
	ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64,
) (state domain.ReadState, err error) {
	state.ConversationID = id
	err = r.db.Read(ctx, func(ctx context.Context) error {
		err := r.db.Pool.QueryRow(ctx, markReadSQL, string(a.User), id, seq).
			Scan(&state.ReadSeq, &state.UnreadCount, &state.MentionCount, &state.UnreadTotal)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
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

// Acknowledge stores how far devices have received conversations. A cursor never moves
// back; a seq beyond the head counts as the head; users who are not members are ignored.
// After an error, some cursors may have been stored: repeat the call with all of them.
func (r *Records) Acknowledge(ctx context.Context, acks []domain.Ack) error {
	acks = slices.Clone(acks)
	slices.SortFunc(acks, compareAcks)
	for chunk := range slices.Chunk(acks, ackChunk) {
		n := len(chunk)
		users, devices, ids, seqs := make([]string, n), make([]string, n), make([][16]byte, n), make([]int64, n)
		for i, a := range chunk {
			users[i], devices[i], ids[i], seqs[i] = string(a.User), string(a.Device), a.ConversationID, a.Seq
		}
		err := r.db.Read(ctx, func(ctx context.Context) error {
			_, err := r.db.Pool.Exec(ctx, acknowledgeSQL, users, devices, ids, seqs)
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
