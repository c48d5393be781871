package search

import (
	"context"
	"errors"
	"math"
	"time"

	"im/domain"
)

// What lies between two keys and is no message of the log goes.
const walkedSQL = `
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

// walk goes on through the log from where the walk has come to.
func (x *indexer) walk(ctx context.Context, st indexState) (indexState, error) {
	begun, seqs := time.Now(), x.seqs()
	docs, err := x.index.readDocuments(ctx, walkSQL, st.walked.id, st.walked.seq, seqs)
	if err != nil {
		return st, err
	}
	if err := x.put(ctx, docs); err != nil {
		return st, err
	}
	to := endOf(docs, seqs)
	more := to != lastKey()
	err = x.write(ctx, walkedSQL, x.turn, st.walked.id, st.walked.seq, to.id, to.seq, len(docs), more)
	st.walked, st.walking, st.count = to, more, st.count+int64(len(docs))
	x.rest(ctx, time.Since(begun))
	return st, err
}

// endOf is how far a reading has come that found these, of so many at most.
func endOf(docs []document, atMost int) indexKey {
	if len(docs) < atMost {
		return lastKey()
	}
	return docs[len(docs)-1].key
}

// lastKey is above all messages.
func lastKey() (k indexKey) {
	for i := range k.id {
		k.id[i] = 0xFF
	}
	k.seq = math.MaxInt64
	return k
}

// A new turn, and nothing known: whoever was at work has to stop.
const reindexSQL = `
UPDATE search_position SET turn = turn + 1, holder = $1, held_until = clock_timestamp() + interval '1500 ms', position = ''
RETURNING turn`

// ReindexSearch builds the index of search anew from the log, and returns when it
// equals the log. Meanwhile it is searched as it is, and what is posted is found. An
// end before, by ctx or by an error, leaves the rest to the nodes. progress is told
// how many messages of how many have been walked, now and then.
func (i *Index) ReindexSearch(ctx context.Context, progress func(done, total int64)) error {
	total, err := i.queries.MessageCount(ctx)
	if err != nil {
		return err
	}
	x := newIndexer(i)
	err = i.db.Read(ctx, func(ctx context.Context) error {
		return i.db.Pool.QueryRow(ctx, reindexSQL, x.name).Scan(&x.turn)
	})
	if err != nil {
		return err
	}
	defer x.release()
	for {
		more, state, err := x.step(ctx)
		if err == nil && state.turn != x.turn {
			err = errTurnLost
		}
		if errors.Is(err, errTurnLost) {
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
