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
	indexInterval = 500 * time.Millisecond // between two looks at the feed
	busyRest      = 4                      // times as long as it was at work it leaves the server to appends
	lateRest      = 2                      // the same, where it is late
	quietRest     = 1                      // and where it is very late, or this node appends nothing just then
	late          = 2 * time.Second        // so far behind the log
	veryLate      = 30 * time.Second
	keepAfter     = 500 * time.Millisecond // of the 1.5 s of a turn
	longestRest   = 300 * time.Millisecond
	indexStoring  = 30 * time.Second // so often a position is stored though nothing was written
)

// Whoever holds the projection keeps it for 1.5 s. A row that is locked is being
// written by its holder: nobody waits for that.
const holdIndexSQL = `
UPDATE search_position SET
	turn = turn + CASE WHEN holder = $1 AND turn = $2 THEN 0 ELSE 1 END,
	holder = $1, held_until = clock_timestamp() + interval '1500 ms'
WHERE the_one = (
	SELECT the_one FROM search_position
	WHERE (holder = $1 AND turn = $2 OR held_until < clock_timestamp()) AND terms_version <= $3
	FOR UPDATE SKIP LOCKED
)
RETURNING turn, terms_version, epoch, position, walking, walked_id, walked_seq, walked`

const releaseIndexSQL = `UPDATE search_position SET held_until = '-infinity' WHERE holder = $1 AND turn = $2`

const restartIndexSQL = `
UPDATE search_position SET
	held_until = clock_timestamp() + interval '1500 ms', terms_version = $2, epoch = $3, position = $4,
	walking = true, walked_id = '00000000-0000-0000-0000-000000000000', walked_seq = 0, walked = 0
WHERE turn = $1`

const moveIndexSQL = `
UPDATE search_position SET held_until = clock_timestamp() + interval '1500 ms', position = $2 WHERE turn = $1`

const keepIndexSQL = `
UPDATE search_position SET held_until = clock_timestamp() + interval '1500 ms' WHERE turn = $1`

// errTurnLost: another node holds the projection now.
var errTurnLost = errors.New("another node has taken over the search index")

// indexer keeps search_messages equal to the log. Every node has one, and one of
// them is at work at a time. It writes under the number of its turn, so that one
// that was paused, and is no longer it, changes nothing.
type indexer struct {
	index  *Index
	name   string
	turn   int64
	kept   time.Time // when the turn was taken or prolonged last
	stored time.Time // when a position was stored last
	polite bool      // it rests between its parts: appends come first
	upTo   time.Time // what was committed by then is in the index
}

// indexState is how far the projection is.
type indexState struct {
	turn     int64
	version  int
	epoch    string
	position domain.FeedPosition
	walking  bool
	walked   indexKey
	count    int64 // messages walked
}

// indexKey is a place in the order in which the log is walked.
type indexKey struct {
	id  domain.ConversationID
	seq int64
}

func newIndexer(i *Index) *indexer { return &indexer{index: i, name: rand.Text()} }

// run follows the feed until ctx ends.
func (x *indexer) run(ctx context.Context) error {
	ticker := time.NewTicker(indexInterval)
	defer ticker.Stop()
	defer x.release()
	x.polite = true
	for failing := false; ; {
		more, _, err := x.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil || errors.Is(err, errTurnLost):
			failing = false
		case !failing:
			failing = true
			x.index.db.Logger.Warn("the search index does not follow; it will be tried again", "error", err)
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

// release lets another node take over at once.
func (x *indexer) release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = x.index.db.Pool.Exec(ctx, releaseIndexSQL, x.name, x.turn) // else it ends by itself
}

// step does what is to be done if it is this node's turn: it follows the feed to
// the present, then walks on for a while. It tells whether there is more to walk.
func (x *indexer) step(ctx context.Context) (more bool, state indexState, err error) {
	state, held, err := x.hold(ctx)
	if err != nil || !held {
		return false, state, err
	}
	if state, err = x.follow(ctx, state); err != nil || !state.walking {
		return false, state, err
	}
	state, err = x.walk(ctx, state)
	return state.walking, state, err
}

// hold takes or keeps the turn; false if it is another node's.
func (x *indexer) hold(ctx context.Context) (st indexState, held bool, err error) {
	begun := time.Now()
	err = x.index.db.Read(ctx, func(ctx context.Context) error {
		err := x.index.db.Pool.QueryRow(ctx, holdIndexSQL, x.name, x.turn, terms.Version).
			Scan(&st.turn, &st.version, &st.epoch, &st.position, &st.walking, &st.walked.id, &st.walked.seq, &st.count)
		if held = err == nil; pg.NoRows(err) {
			return nil
		}
		return err
	})
	if held {
		x.turn, x.kept = st.turn, begun
	}
	return st, held, err
}

// follow brings the projection to the present. What the feed does not reach any
// more, or was in another log, is found by walking the whole log.
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
	if known := asked.Add(-feed.Span(st.position, page.Position)); known.After(x.upTo) {
		x.upTo = known
	}
	for part, left := takePart(page.Heads, x.seqs()); len(part) > 0; part, left = takePart(left, x.seqs()) {
		begun := time.Now()
		if err := x.keep(ctx); err != nil {
			return st, err
		}
		docs, err := x.index.documents(ctx, part)
		if err != nil {
			return st, err
		}
		if err := x.put(ctx, docs); err != nil {
			return st, err
		}
		x.rest(ctx, time.Since(begun))
	}
	x.upTo = asked
	if len(page.Heads) == 0 && time.Since(x.stored) < indexStoring {
		return st, nil // what is read again next time is as little
	}
	x.stored = time.Now()
	return st, x.write(ctx, moveIndexSQL, x.turn, string(page.Position))
}

// keep prolongs the turn while nothing is written: parts may hold no messages.
func (x *indexer) keep(ctx context.Context) error {
	if time.Since(x.kept) < keepAfter {
		return nil
	}
	return x.write(ctx, keepIndexSQL, x.turn)
}

// seqs is how much is read and written at once: appends wait behind it for a core.
func (x *indexer) seqs() int {
	if x.polite && x.index.appending() {
		return busySeqs
	}
	return indexSeqs
}

// rest follows some work. So a flood of messages is found later, instead of being
// taken in more slowly; the later, the less so. The turn outlasts it.
func (x *indexer) rest(ctx context.Context, work time.Duration) {
	if !x.polite {
		return
	}
	pg.Sleep(ctx, restAfter(work, x.index.appending(), time.Since(x.upTo)))
}

func restAfter(work time.Duration, busy bool, behind time.Duration) time.Duration {
	switch {
	case !busy, behind > veryLate:
		work *= quietRest
	case behind > late:
		work *= lateRest
	default:
		work *= busyRest
	}
	return min(work, longestRest)
}

// restart begins a walk. What is committed meanwhile is in the feed from here on.
func (x *indexer) restart(ctx context.Context, st indexState) (indexState, error) {
	page, err := x.index.changes.Feed(ctx, "")
	if err != nil {
		return st, err
	}
	x.index.db.Logger.Info("the search index is built anew")
	x.upTo = time.Now()
	err = x.write(ctx, restartIndexSQL, x.turn, terms.Version, page.Epoch, string(page.Position))
	st.walking, st.walked, st.count = true, indexKey{}, 0
	return st, err
}

// write runs a statement that prolongs the turn, and changes nothing if it is no
// longer this node's.
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
		return errTurnLost
	}
	x.kept = begun
	return nil
}
