package search

import (
	"context"
	"errors"
	"math"
	"time"

	"im/domain"
)

// Rows between two keys that are no messages of the log are deleted.
const scannedSQL = `
WITH held AS MATERIALIZED (
	SELECT FROM search_position WHERE turn = $1 FOR UPDATE
), stray AS (
	DELETE FROM search_messages s USING held
	WHERE (s.conversation_id, s.seq) > ($2::uuid, $3::bigint) AND (s.conversation_id, s.seq) <= ($4::uuid, $5::bigint)
		AND NOT EXISTS (
			SELECT FROM events e WHERE e.conversation_id = s.conversation_id AND e.seq = s.seq AND e.type = 'message.posted'
		)
)
UPDATE search_position SET held_until = clock_timestamp() + interval '1500 ms',
	walked_id = $4, walked_seq = $5, walked = walked + $6, walking = $7
FROM held WHERE turn = $1`

// scan indexes the next chunk of the log.
func (x *indexer) scan(ctx context.Context, st indexState) (indexState, error) {
	begun, seqs := time.Now(), x.chunkSeqs()
	docs, err := x.index.readDocuments(ctx, scanSQL, st.scanned.id, st.scanned.seq, seqs)
	if err != nil {
		return st, err
	}
	if err := x.put(ctx, docs); err != nil {
		return st, err
	}
	to := endOf(docs, seqs)
	more := to != lastKey()
	err = x.write(ctx, scannedSQL, x.token, st.scanned.id, st.scanned.seq, to.id, to.seq, len(docs), more)
	st.scanned, st.scanning, st.count = to, more, st.count+int64(len(docs))
	x.pause(ctx, time.Since(begun))
	return st, err
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

// A new token makes the present holder stop. An empty position starts a scan.
const takeLeaseSQL = `
UPDATE search_position SET turn = turn + 1, holder = $1, held_until = clock_timestamp() + interval '1500 ms', position = ''
RETURNING turn`

// ReindexSearch builds the index again from the log, and returns when it equals the log.
// The index stays searchable, and new messages are found. If ctx ends or an error
// occurs, the nodes finish the work. progress is called from time to time with the
// number of messages scanned and the total.
func (i *Index) ReindexSearch(ctx context.Context, progress func(done, total int64)) error {
	total, err := i.queries.MessageCount(ctx)
	if err != nil {
		return err
	}
	x := newIndexer(i)
	err = i.db.Read(ctx, func(ctx context.Context) error {
		return i.db.Pool.QueryRow(ctx, takeLeaseSQL, x.name).Scan(&x.token)
	})
	if err != nil {
		return err
	}
	defer x.release()
	for {
		more, state, err := x.step(ctx)
		if err == nil && state.token != x.token {
			err = errLeaseLost
		}
		if errors.Is(err, errLeaseLost) {
			return domain.ErrUnavailable.WithCause(err)
		}
		if err != nil {
			return err
		}
		progress(state.count, max(total, state.count))
		if !more {
			return nil
		}
	}
}
