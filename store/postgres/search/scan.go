package search

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// The statement also deletes rows of the slots between the two keys that have no message
// in the log.
const scannedSQL = whileHeld + `, stray AS (
	DELETE FROM search_messages s USING all_held
	WHERE (s.conversation_id, s.seq) > ($3::uuid, $4::bigint) AND (s.conversation_id, s.seq) <= ($5::uuid, $6::bigint)
		AND get_byte(uuid_send(s.conversation_id), 15) & 15 = ANY ($1::smallint[])
		AND NOT EXISTS (
			SELECT FROM events e WHERE e.conversation_id = s.conversation_id AND e.seq = s.seq AND e.type = 'message.posted'
		)
)
UPDATE search_slots s SET held_until = clock_timestamp() + interval '1500 ms',
	walked_id = $5, walked_seq = $6, walked = walked + CASE s.slot WHEN ($1::smallint[])[1] THEN $7::bigint ELSE 0 END, walking = $8` + renewHeld

// scan indexes the next chunk of the log for those of the slots whose scan is least far,
// up to where that of others is, which then join in. It reports whether more is to be
// scanned.
func (x *indexer) scan(ctx context.Context, held []*slot) (more bool, err error) {
	from, upto := lastKey(), lastKey()
	for _, s := range held {
		if s.scanning {
			from = earlier(from, s.scanned)
		}
	}
	var group []*slot
	for _, s := range held {
		switch {
		case !s.scanning:
		case s.scanned == from:
			group = append(group, s)
		default:
			upto = earlier(upto, s.scanned)
		}
	}
	if len(group) == 0 {
		return false, nil
	}
	begun, seqs, l := time.Now(), x.effort().chunk, leaseOf(group)
	var docs []document
	if len(group) == slotCount {
		docs, err = x.index.readDocuments(ctx, scanSQL, from.id, from.seq, seqs)
	} else {
		docs, err = x.index.readDocuments(ctx, scanSlotsSQL, from.id, from.seq, seqs, l.slots)
	}
	if err != nil {
		return false, err
	}
	to := earlier(upto, endOf(docs, seqs))
	for len(docs) > 0 && docs[len(docs)-1].key.compare(to) > 0 {
		docs = docs[:len(docs)-1]
	}
	if err := x.put(ctx, docs, l); err != nil {
		return false, err
	}
	done := to == lastKey()
	if err := x.write(ctx, scannedSQL, l, from.id, from.seq, to.id, to.seq, len(docs), !done); err != nil {
		return false, err
	}
	for _, s := range group {
		s.scanned, s.scanning = to, !done
	}
	x.pause(ctx, time.Since(begun))
	return slices.ContainsFunc(held, func(s *slot) bool { return s.scanning }), nil
}

// compare orders keys as the log does.
func (k messageKey) compare(other messageKey) int {
	return cmp.Or(bytes.Compare(k.id[:], other.id[:]), cmp.Compare(k.seq, other.seq))
}

func earlier(a, b messageKey) messageKey {
	if a.compare(b) <= 0 {
		return a
	}
	return b
}

// endOf returns the key up to which a read of limit messages, which found docs, is
// complete.
func endOf(docs []document, limit int) messageKey {
	if len(docs) < limit {
		return lastKey()
	}
	return docs[len(docs)-1].key
}

// lastKey is greater than the key of every message.
func lastKey() (k messageKey) {
	for i := range k.id {
		k.id[i] = 0xFF
	}
	k.seq = math.MaxInt64
	return k
}

// The new turn fences off all slots, which start with an empty position.
const startAgainSQL = `
UPDATE search_position SET turn = turn + 1, restarts = restarts + 1, holder = 'slots', held_until = clock_timestamp() + interval '1500 ms',
	position = '', walking = true, walked_id = '00000000-0000-0000-0000-000000000000', walked_seq = 0, walked = 0
RETURNING turn`

// scannedSoFarSQL returns no row if the index was started again since.
const scannedSoFarSQL = `
SELECT sum(s.walked)::bigint, bool_or(s.walking) FROM search_slots s WHERE EXISTS (SELECT FROM search_position WHERE turn = $1) HAVING count(*) > 0`

// ReindexSearch builds the index again from the log, and returns when it equals the log.
// The index stays searchable, and new messages are found. Nodes that run take their part
// of the work. If ctx ends or an error occurs, they finish it. progress is called from
// time to time with the number of messages scanned and the total.
func (i *Index) ReindexSearch(ctx context.Context, progress func(done, total int64)) error {
	total, err := i.queries.MessageCount(ctx)
	if err != nil {
		return err
	}
	x := newIndexer(i)
	var turn int64
	err = i.db.Read(ctx, func(ctx context.Context) error {
		return i.db.Pool.QueryRow(ctx, startAgainSQL).Scan(&turn)
	})
	if err != nil {
		return err
	}
	defer x.release()
	for {
		more, err := x.step(ctx)
		if err != nil && !errors.Is(err, errLeaseLost) {
			return err
		}
		var done int64
		var scanning bool
		err = i.db.Read(ctx, func(ctx context.Context) error {
			return i.db.Pool.QueryRow(ctx, scannedSoFarSQL, turn).Scan(&done, &scanning)
		})
		if pg.NoRows(err) {
			return domain.ErrUnavailable.WithCause(errLeaseLost)
		}
		if err != nil {
			return err
		}
		progress(done, max(total, done))
		if !scanning {
			return nil
		}
		if !more {
			pg.Sleep(ctx, indexInterval)
		}
	}
}
