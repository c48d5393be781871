package users

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const deliverSQL = `
UPDATE members m SET delivered_seq = l.seq FROM (
	SELECT m.user_id, m.conversation_id, a.seq FROM (
		SELECT a.user_id, a.conversation_id, least(max(a.seq), c.head_seq) AS seq
		FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS a (user_id, conversation_id, seq)
		JOIN conversations c ON c.id = a.conversation_id
		GROUP BY a.user_id, a.conversation_id, c.head_seq
	) a
	JOIN members m ON m.user_id = a.user_id AND m.conversation_id = a.conversation_id
	WHERE m.left_seq IS NULL AND m.delivered_seq < a.seq
	ORDER BY m.user_id, m.conversation_id FOR NO KEY UPDATE OF m
) l
WHERE m.user_id = l.user_id AND m.conversation_id = l.conversation_id
RETURNING m.conversation_id, m.user_id, m.delivered_seq`

// Deliver moves the delivered positions of users, each to the furthest of the user's
// acks, and returns the positions that moved. A position never moves back; a seq beyond
// the head counts as the head; users who are not members are ignored. After an error,
// some positions may have been stored: repeat the call with all acks.
func (r *Records) Deliver(ctx context.Context, acks []domain.Ack) (moved []domain.Receipt, err error) {
	acks = slices.Clone(acks)
	slices.SortFunc(acks, compareAcks)
	for chunk := range slices.Chunk(acks, ackChunk) {
		n := len(chunk)
		users, ids, seqs := make([]string, n), make([][16]byte, n), make([]int64, n)
		for i, a := range chunk {
			users[i], ids[i], seqs[i] = string(a.User), a.ConversationID, a.Seq
		}
		err := r.db.Read(ctx, func(ctx context.Context) error {
			rows, err := r.db.Pool.Query(ctx, deliverSQL, users, ids, seqs)
			if err != nil {
				return err
			}
			some, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r domain.Receipt, err error) {
				var id [16]byte
				err = row.Scan(&id, &r.UserID, &r.DeliveredSeq)
				r.ConversationID = id
				return r, err
			})
			moved = append(moved, some...)
			return err
		})
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

const receiptsSQL = `
SELECT ` + pg.MayRead + `, m.users, m.delivered, m.reads
FROM (
	SELECT array_agg(user_id) AS users, array_agg(delivered_seq) AS delivered, array_agg(read_seq) AS reads
	FROM (
		SELECT m.user_id, m.delivered_seq, m.read_seq FROM members m JOIN conversations c ON c.id = m.conversation_id
		WHERE m.conversation_id = $1 AND m.left_seq IS NULL AND m.user_id > $4
			AND ($2 OR m.user_id = $3 OR (c.settings->>'receipts')::boolean)
		ORDER BY m.user_id LIMIT $5
	) page
) m`

// Receipts lists the delivered and read positions of the members, in the order of their
// ids. If the conversation shares no receipts, it lists only the actor.
func (r *Records) Receipts(
	ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int,
) (page domain.Page[domain.MemberReceipt], err error) {
	after, err := pg.ReadTextKeys(pg.CursorReceipts, cursor, 1)
	if err != nil {
		return page, err
	}
	var allowed bool
	var users []string
	var delivered, reads []int64
	err = r.db.Read(ctx, func(ctx context.Context) error {
		return r.db.Pool.QueryRow(ctx, receiptsSQL, id, a.Backend, string(a.User), after[0], limit+1).
			Scan(&allowed, &users, &delivered, &reads)
	})
	if err != nil {
		return page, err
	}
	if !allowed {
		return page, domain.ErrNotFound
	}
	receipts := make([]domain.MemberReceipt, len(users))
	for i, user := range users {
		receipts[i] = domain.MemberReceipt{UserID: domain.UserID(user), DeliveredSeq: delivered[i], ReadSeq: reads[i]}
	}
	return pg.KeysetPage(receipts, limit, pg.CursorReceipts, func(w *pg.CursorWriter, last domain.MemberReceipt) {
		w.Text(string(last.UserID))
	}), nil
}
