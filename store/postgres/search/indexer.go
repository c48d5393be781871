package search

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"im/domain"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
	"im/store/postgres/search/terms"
)

const (
	indexInterval = 500 * time.Millisecond // between two reads of the feed

	// After each chunk the indexer pauses for a multiple of the time the chunk took, to
	// leave the server to appends. The later the index is, the shorter the pause.
	appendingPauses = 4 // while this node appends
	latePauses      = 2 // while it appends, and the index is behind by more than late
	quietPauses     = 1 // while it does not append, or the index is behind by more than veryLate
	longestPause    = 300 * time.Millisecond
	late            = 2 * time.Second
	veryLate        = 30 * time.Second

	renewAfter       = 500 * time.Millisecond // of the 1.5 s of a lease
	positionInterval = 30 * time.Second       // a position is stored at least this often, even if nothing was written
)

// A node holds the lease on the index for 1.5 s. A locked row is being renewed by its
// holder, so SKIP LOCKED does not wait for it.
const acquireLeaseSQL = `
UPDATE search_position SET
	turn = turn + CASE WHEN holder = $1 AND turn = $2 THEN 0 ELSE 1 END,
	holder = $1, held_until = clock_timestamp() + interval '1500 ms'
WHERE the_one = (
	SELECT the_one FROM search_position
	WHERE (holder = $1 AND turn = $2 OR held_until < clock_timestamp()) AND terms_version <= $3
	FOR UPDATE SKIP LOCKED
)
RETURNING turn, terms_version, epoch, position, walking, walked_id, walked_seq, walked`

const releaseLeaseSQL = `UPDATE search_position SET held_until = '-infinity' WHERE holder = $1 AND turn = $2`

const restartSQL = `
UPDATE search_position SET
	held_until = clock_timestamp() + interval '1500 ms', terms_version = $2, epoch = $3, position = $4,
	walking = true, walked_id = '00000000-0000-0000-0000-000000000000', walked_seq = 0, walked = 0
WHERE turn = $1`

const advanceSQL = `
UPDATE search_position SET held_until = clock_timestamp() + interval '1500 ms', position = $2 WHERE turn = $1`

const renewLeaseSQL = `
UPDATE search_position SET held_until = clock_timestamp() + interval '1500 ms' WHERE turn = $1`

// errLeaseLost means that another node holds the lease now.
var errLeaseLost = errors.New("another node has taken over the search index")

// indexer keeps search_messages equal to the log. Every node runs one, and the one that
// holds the lease works. It writes under its fencing token: once another node has taken
// over, the writes of a node that was paused change nothing.
//
// The index is in one of these states, kept in search_position:
//
//	state     | stored as                   | what the holder does, and the next state
//	empty     | position = ''               | stores the present position; scanning
//	scanning  | walking, walked_id and _seq | follows the feed, then scans a chunk of the log; following
//	          |                             | at the end of the log
//	following | position, not walking       | follows the feed
//	any       |                             | scanning from the start, if the feed does not reach back to
//	          |                             | the position, the epoch is another one, or terms.Version is
//
// While it scans, it also follows the feed from where the scan began, so that a change
// behind the scan is not missed.
type indexer struct {
	index   *Index
	name    string
	token   int64     // fencing token of the last lease
	renewed time.Time // when the lease was taken or renewed last
	stored  time.Time // when a position was stored last
	yields  bool      // it pauses between chunks, because appends come first

	indexedUntil time.Time // what was committed before is in the index
}

// indexState is a row of search_position.
type indexState struct {
	token    int64
	version  int
	epoch    string
	position domain.FeedPosition
	scanning bool
	scanned  messageKey
	count    int64 // messages scanned
}

// messageKey is a place in the order of a scan.
type messageKey struct {
	id  domain.ConversationID
	seq int64
}

func newIndexer(i *Index) *indexer { return &indexer{index: i, name: rand.Text()} }

// run indexes until ctx ends.
func (x *indexer) run(ctx context.Context) error {
	ticker := time.NewTicker(indexInterval)
	defer ticker.Stop()
	defer x.release()
	x.yields = true
	for failing := false; ; {
		more, _, err := x.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil || errors.Is(err, errLeaseLost):
			failing = false
		case !failing:
			failing = true
			x.index.db.Logger.Warn("search index falls behind, retrying", "error", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// release ends the lease, so that another node can take over at once.
func (x *indexer) release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = x.index.db.Pool.Exec(ctx, releaseLeaseSQL, x.name, x.token) // else it ends by itself
}

// step does nothing unless this node gets the lease. It follows the feed to the present,
// then scans a chunk if a scan is under way, and reports whether more is to be scanned.
func (x *indexer) step(ctx context.Context) (more bool, state indexState, err error) {
	state, held, err := x.acquire(ctx)
	if err != nil || !held {
		return false, state, err
	}
	if state, err = x.follow(ctx, state); err != nil || !state.scanning {
		return false, state, err
	}
	state, err = x.scan(ctx, state)
	return state.scanning, state, err
}

// acquire takes or renews the lease, and reports whether this node holds it.
func (x *indexer) acquire(ctx context.Context) (st indexState, held bool, err error) {
	begun := time.Now()
	err = x.index.db.Read(ctx, func(ctx context.Context) error {
		err := x.index.db.Pool.QueryRow(ctx, acquireLeaseSQL, x.name, x.token, terms.Version).
			Scan(&st.token, &st.version, &st.epoch, &st.position, &st.scanning, &st.scanned.id, &st.scanned.seq, &st.count)
		if held = err == nil; pg.NoRows(err) {
			return nil
		}
		return err
	})
	if held {
		x.token, x.renewed = st.token, begun
	}
	return st, held, err
}

// follow brings the index to the present. It restarts the scan of the whole log if the
// feed does not reach back far enough, or the log is another one.
func (x *indexer) follow(ctx context.Context, st indexState) (indexState, error) {
	if st.position == "" || st.version != terms.Version {
		return x.restart(ctx, st)
	}
	asked := time.Now()
	page, err := x.index.changes.Feed(ctx, st.position)
	if errors.Is(err, domain.ErrCursorInvalid) || err == nil && page.Epoch != st.epoch {
		return x.restart(ctx, st)
	}
	if err != nil {
		return st, err
	}
	if known := asked.Add(-feed.Span(st.position, page.Position)); known.After(x.indexedUntil) {
		x.indexedUntil = known
	}
	for chunk, left := takeChunk(page.Heads, x.chunkSeqs()); len(chunk) > 0; chunk, left = takeChunk(left, x.chunkSeqs()) {
		begun := time.Now()
		if err := x.renew(ctx); err != nil {
			return st, err
		}
		docs, err := x.index.documents(ctx, chunk)
		if err != nil {
			return st, err
		}
		if err := x.put(ctx, docs); err != nil {
			return st, err
		}
		x.pause(ctx, time.Since(begun))
	}
	x.indexedUntil = asked
	if len(page.Heads) == 0 && time.Since(x.stored) < positionInterval {
		return st, nil // the next read of the feed is as cheap from the old position
	}
	x.stored = time.Now()
	return st, x.write(ctx, advanceSQL, x.token, string(page.Position))
}

// renew renews the lease when it is due. Writes renew it too, but a chunk may hold no
// messages.
func (x *indexer) renew(ctx context.Context) error {
	if time.Since(x.renewed) < renewAfter {
		return nil
	}
	return x.write(ctx, renewLeaseSQL, x.token)
}

// chunkSeqs is how much is read and written at once: concurrent appends wait for a core
// .
func (x *indexer) chunkSeqs() int {
	if x.yields && x.index.appending() {
		return appendingChunk
	}
	return quietChunk
}

// pause follows a chunk that took work. Under a flood of messages the index falls behind,
// so that appends do not slow down; the further behind, the shorter the pause. A lease
// outlasts a pause.
func (x *indexer) pause(ctx context.Context, work time.Duration) {
	if !x.yields {
		return
	}
	pg.Sleep(ctx, pauseAfter(work, x.index.appending(), time.Since(x.indexedUntil)))
}

func pauseAfter(work time.Duration, busy bool, behind time.Duration) time.Duration {
	switch {
	case !busy, behind > veryLate:
		work *= quietPauses
	case behind > late:
		work *= latePauses
	default:
		work *= appendingPauses
	}
	return min(work, longestPause)
}

// restart begins a scan. Concurrent commits are in the feed from the stored position on.
func (x *indexer) restart(ctx context.Context, st indexState) (indexState, error) {
	page, err := x.index.changes.Feed(ctx, "")
	if err != nil {
		return st, err
	}
	x.index.db.Logger.Info("building the search index again from the log")
	x.indexedUntil = time.Now()
	err = x.write(ctx, restartSQL, x.token, terms.Version, page.Epoch, string(page.Position))
	st.scanning, st.scanned, st.count = true, messageKey{}, 0
	return st, err
}

// write runs a statement that renews the lease, and that changes nothing if this node has
// lost it; then the error is errLeaseLost.
func (x *indexer) write(ctx context.Context, sql string, args ...any) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	tag, err := x.index.db.Pool.Exec(ctx, sql, args...)
	if err != nil {
		x.index.db.ResetIfBroken(err)
		return pg.Translate(err)
	}
	if tag.RowsAffected() == 0 {
		return errLeaseLost
	}
	x.renewed = begun
	return nil
}
