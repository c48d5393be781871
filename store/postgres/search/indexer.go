package search

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
)

const (
	indexInterval = 500 * time.Millisecond // between two reads of the feed

	longestPause = 300 * time.Millisecond

	maxLoops = 4 // among which the slots of a node are divided

	renewAfter       = 500 * time.Millisecond // of the 1.5 s of a lease
	positionInterval = 30 * time.Second       // a position is stored at least this often, even if nothing was written
)

// indexer keeps search_messages equal to the log. Every node runs one, and each works on
// the slots that it holds. It writes under their fencing tokens: once another node has
// taken over, the writes of a node that was paused change nothing.
//
// A slot is in one of these states, kept in search_slots:
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
	index  *Index
	name   string
	yields bool // pauses between chunks, to leave the server to appends

	tokens     map[int16]int64 // of the slots that it holds
	renewed    atomic.Int64    // Unix ns: when all leases were renewed last
	stored     time.Time       // when a position was stored last
	summarized time.Time

	indexedUntil time.Time // everything in its slots that was committed before this time is in the index
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
		more, err := x.step(ctx)
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

// step does nothing unless this node has slots. It follows the feed to the present, then
// scans a chunk if a scan is under way, and reports whether more is to be scanned.
func (x *indexer) step(ctx context.Context) (more bool, err error) {
	held, err := x.acquire(ctx)
	if err != nil || len(held) == 0 {
		return false, err
	}
	if err := x.follow(ctx, held); err != nil {
		return false, err
	}
	if more, err = x.scan(ctx, held); err != nil {
		return false, err
	}
	return more, x.summarize(ctx)
}

// follow brings the slots to the present. It restarts those to whose position the feed
// does not reach back, or whose log is another one.
//
// Slots that were taken over have positions of their own. After one call all slots have
// the first of the positions that were read, which the later ones include.
func (x *indexer) follow(ctx context.Context, held []*slot) error {
	var empty, followed []*slot
	for _, s := range held {
		if s.isEmpty() {
			empty = append(empty, s)
		}
	}
	var next domain.FeedPosition
	var asked time.Time
	changed, taken := false, x.indexedUntil.IsZero()
	for _, group := range byPosition(without(held, empty)) {
		now := time.Now()
		page, err := x.index.changes.Feed(ctx, group[0].position)
		if err != nil && !errors.Is(err, domain.ErrCursorInvalid) {
			return err
		}
		if err != nil || slices.ContainsFunc(group, func(s *slot) bool { return s.epoch != page.Epoch }) {
			empty = append(empty, group...)
			continue
		}
		if next == "" {
			next, asked = page.Position, now
		}
		followed = append(followed, group...)
		known := now.Add(-feed.Span(group[0].position, page.Position))
		if taken && (x.indexedUntil.IsZero() || known.Before(x.indexedUntil)) {
			x.indexed(known)
		}
		changed = changed || len(page.Heads) > 0
		if err := x.indexHeads(ctx, page.Heads, group); err != nil {
			return err
		}
	}
	if len(followed) > 0 {
		x.indexed(asked)
		// Without news, the next read of the feed is as cheap from the old position.
		if same := len(byPosition(followed)) == 1; changed || !same || time.Since(x.stored) >= positionInterval {
			if err := x.write(ctx, advanceSQL, leaseOf(followed), string(next)); err != nil {
				return err
			}
			for _, s := range followed {
				s.position = next
			}
			x.stored = time.Now()
		}
	}
	if len(empty) > 0 {
		return x.restart(ctx, empty)
	}
	return nil
}

// without returns the slots of list that are not in some.
func without(list, some []*slot) (rest []*slot) {
	for _, s := range list {
		if !slices.Contains(some, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// indexHeads indexes what the heads of a page of the feed name in some slots. The slots
// are divided among loops, so that the events of a conversation are indexed in their
// order. How many loops run at once depends on how late the index is.
func (x *indexer) indexHeads(ctx context.Context, heads []domain.FeedHead, held []*slot) error {
	type loop struct {
		slots []*slot
		heads []domain.FeedHead
	}
	var loops [maxLoops]loop
	var loopOf [slotCount]*loop
	for i, s := range held {
		loopOf[s.number] = &loops[i%maxLoops]
		loopOf[s.number].slots = append(loopOf[s.number].slots, s)
	}
	for _, head := range heads {
		if l := loopOf[slotOf(head.ConversationID)]; l != nil {
			l.heads = append(l.heads, head)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(x.effort().loops)
	for _, l := range loops {
		if len(l.heads) > 0 {
			g.Go(func() error { return x.indexChunks(ctx, l.heads, leaseOf(l.slots)) })
		}
	}
	return g.Wait()
}

func (x *indexer) indexChunks(ctx context.Context, heads []domain.FeedHead, l lease) error {
	for chunk, left := takeChunk(heads, x.effort().chunk); len(chunk) > 0; chunk, left = takeChunk(left, x.effort().chunk) {
		begun := time.Now()
		if err := x.renew(ctx); err != nil {
			return err
		}
		docs, err := x.index.documents(ctx, chunk)
		if err != nil {
			return err
		}
		if err := x.put(ctx, docs, l); err != nil {
			return err
		}
		x.pause(ctx, time.Since(begun))
	}
	return nil
}

// indexed notes that everything committed before a time is in the index.
func (x *indexer) indexed(until time.Time) {
	x.indexedUntil = until
	x.index.progress.until.Store(until.UnixNano())
}

// pause follows a chunk that took work. A lease outlasts a pause.
func (x *indexer) pause(ctx context.Context, work time.Duration) {
	if x.yields {
		pg.Sleep(ctx, x.effort().pauseAfter(work))
	}
}

// effort is how much of the server the indexer takes.
type effort struct {
	loops  int // that index at once
	chunk  int // seqs that are read and written at once
	pauses int // in halves: how long each loop pauses after a chunk, as a multiple of the time the chunk took
}

func (x *indexer) effort() effort {
	if !x.yields {
		return effort{loops: 1, chunk: quietChunk}
	}
	return effortFor(x.index.appending(), time.Since(x.indexedUntil))
}

// effortFor leaves the server to appends as far as the index keeps up: an append may wait
// for a core of the server until a chunk ends. When the index becomes late, it takes more,
// to stay within 2 s. Under a flood that is too much for both, appends come first.
func effortFor(appending bool, behind time.Duration) effort {
	switch {
	case !appending:
		return effort{1, quietChunk, 2}
	case behind > 30*time.Second:
		return effort{1, 4 * appendingChunk, 2}
	case behind > 4*time.Second:
		return effort{1, 4 * appendingChunk, 4}
	case behind > 1500*time.Millisecond:
		return effort{2, 4 * appendingChunk, 2}
	case behind > time.Second:
		return effort{1, 2 * appendingChunk, 2}
	default:
		return effort{1, appendingChunk, 8}
	}
}

func (e effort) pauseAfter(work time.Duration) time.Duration {
	return min(work*time.Duration(e.pauses)/2, longestPause)
}
