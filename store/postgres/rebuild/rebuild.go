package rebuild

import (
	"context"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// Options configure one Rebuild.
type Options struct {
	// Verify only compares.
	Verify bool
	// Conversation limits the run to one conversation; zero means all.
	Conversation domain.ConversationID
	// Restart begins with the first conversation, and not where the last Rebuild ended.
	Restart bool
	// Pause is the time to wait after each conversation.
	Pause time.Duration
	// Found is called with each difference, before it is repaired. It must not be nil.
	Found func(Difference)
	// Progress is called after each conversation. It must not be nil.
	Progress func(Progress)
}

// Progress is how far a Rebuild has got.
type Progress struct {
	Conversations int64 `json:"conversations"` // of this run
	Events        int64 `json:"events"`        // of this run
	Differences   int64 `json:"differences"`
	// Broken counts the conversations whose log cannot be folded, or whose row cannot be
	// restored. Each is reported as a difference too, and left as it is.
	Broken int64 `json:"broken"`
	Before int64 `json:"resumed_after"` // conversations of earlier runs
	Total  int64 `json:"total"`         // conversations, as counted at the start
}

// Difference is one value of a projection that does not follow from the log. It holds
// nothing that users wrote.
type Difference struct {
	ConversationID domain.ConversationID `json:"conversation_id"`
	Table          string                `json:"table"`
	Key            string                `json:"key,omitempty"`    // within the conversation
	Column         string                `json:"column,omitempty"` // "": the whole row
	Stored         string                `json:"stored,omitempty"` // "" with a Column: withheld, because users wrote it
	Folded         string                `json:"folded,omitempty"`
}

const (
	saveInterval    = time.Second // between two writes of the position
	rebuildAttempts = 20          // at one conversation, or at one step of its repair
	firstPause      = 25 * time.Millisecond
	longestPause    = 400 * time.Millisecond

	rebuildTotalSQL = `SELECT count(*) FROM conversations`

	rebuildResumeSQL = `SELECT after, done FROM rebuild_position`

	// A conversation whose row is missing is found by its events.
	rebuildNextSQL = `
SELECT least(
	(SELECT id FROM conversations WHERE id > $1 ORDER BY id LIMIT 1),
	(SELECT conversation_id FROM events WHERE conversation_id > $1 ORDER BY conversation_id LIMIT 1))`

	rebuildReachedSQL = `
INSERT INTO rebuild_position AS p (after, done) VALUES ($1, $2)
ON CONFLICT (the_one) DO UPDATE SET after = excluded.after, done = excluded.done, at = now()`

	rebuildEndSQL = `DELETE FROM rebuild_position`
)

// Rebuilder compares the projections with the log. It is safe for concurrent use.
type Rebuilder struct{ db *pg.DB }

// New returns the rebuilder of db.
func New(db *pg.DB) *Rebuilder { return &Rebuilder{db: db} }

// Rebuild folds the log of every conversation and makes its projections equal to the
// fold, or only compares them. It may run while nodes append. It continues where the last
// Rebuild was stopped; a Verify always begins with the first conversation. It fails with
// domain.ErrNotFound if Options.Conversation does not exist, and with the error of ctx if
// that ends.
func (r *Rebuilder) Rebuild(ctx context.Context, o Options) (Progress, error) {
	run := &rebuild{db: r.db, options: o}
	defer run.disconnect()
	err := run.run(ctx)
	if err != nil {
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = run.save(rest) // without it, a second's work is repeated
	}
	if err != nil && ctx.Err() != nil {
		return run.progress, ctx.Err()
	}
	return run.progress, pg.Translate(err)
}

// rebuild is one run. It has a connection of its own, because a conversation may take
// longer than the statement timeout of the pool.
type rebuild struct {
	db       *pg.DB
	options  Options
	conn     *pg.Conn
	progress Progress
	done     domain.ConversationID // the last one that is complete
	saved    time.Time             // when done was stored last
}

func (r *rebuild) run(ctx context.Context) error {
	if !r.options.Conversation.IsZero() {
		r.progress.Total = 1
		return r.conversation(ctx, r.options.Conversation)
	}
	after, err := r.resume(ctx)
	if err != nil {
		return err
	}
	for {
		next, err := r.next(ctx, after)
		if err != nil {
			return err
		}
		if next == nil {
			return r.finish(ctx)
		}
		after = *next
		if err := r.conversation(ctx, after); err != nil {
			return err
		}
		if err := r.reached(ctx, after); err != nil {
			return err
		}
		if r.options.Pause > 0 {
			pg.Sleep(ctx, r.options.Pause)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// resume returns the conversation after which to begin.
func (r *rebuild) resume(ctx context.Context) (after domain.ConversationID, err error) {
	err = r.retry(ctx, func(ctx context.Context) error {
		if err := r.conn.QueryRow(ctx, rebuildTotalSQL).Scan(&r.progress.Total); err != nil {
			return err
		}
		if r.options.Verify || r.options.Restart {
			return nil
		}
		err := r.conn.QueryRow(ctx, rebuildResumeSQL).Scan(&after, &r.progress.Before)
		if pg.NoRows(err) {
			err = nil
		}
		return err
	})
	return after, err
}

func (r *rebuild) next(ctx context.Context, after domain.ConversationID) (next *domain.ConversationID, err error) {
	err = r.retry(ctx, func(ctx context.Context) error {
		return r.conn.QueryRow(ctx, rebuildNextSQL, after).Scan(&next)
	})
	return next, err
}

// reached records that a conversation is complete, and stores that once a second.
func (r *rebuild) reached(ctx context.Context, id domain.ConversationID) error {
	r.done = id
	if time.Since(r.saved) < saveInterval {
		return nil
	}
	return r.save(ctx)
}

func (r *rebuild) save(ctx context.Context) error {
	if r.options.Verify || r.done.IsZero() {
		return nil
	}
	r.saved = time.Now()
	return r.retry(ctx, func(ctx context.Context) error {
		_, err := r.conn.Exec(ctx, rebuildReachedSQL, r.done, r.progress.Before+r.progress.Conversations)
		return err
	})
}

// finish makes the next run begin with the first conversation.
func (r *rebuild) finish(ctx context.Context) error {
	if r.options.Verify {
		return nil
	}
	return r.retry(ctx, func(ctx context.Context) error {
		_, err := r.conn.Exec(ctx, rebuildEndSQL)
		return err
	})
}

// conversation compares one conversation, and repairs it if necessary.
func (r *rebuild) conversation(ctx context.Context, id domain.ConversationID) error {
	var found *comparison
	err := r.retry(ctx, func(ctx context.Context) (err error) {
		found, err = compare(ctx, r.conn, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range found.differences {
		r.options.Found(d)
	}
	r.progress.Conversations++
	r.progress.Events += found.fold.Head
	r.progress.Differences += int64(len(found.differences))
	if !found.broken && len(found.differences) > 0 && !r.options.Verify {
		if err := r.repair(ctx, found); err != nil {
			return err
		}
	}
	if found.broken {
		r.progress.Broken++
	}
	r.options.Progress(r.progress)
	return nil
}

// retry repeats an attempt that failed with a transient error, on a new connection if
// the old one was lost.
func (r *rebuild) retry(ctx context.Context, attempt func(context.Context) error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := r.connect(ctx)
		if err == nil {
			err = attempt(ctx)
		}
		if err == nil || ctx.Err() != nil || n == rebuildAttempts || !pg.ConnectionLost(err) && !pg.Transient(err) {
			return err
		}
		r.db.Logger.Debug("retrying the rebuild", "error", err)
		if pg.ConnectionLost(err) {
			r.disconnect()
		}
		pg.Sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

func (r *rebuild) connect(ctx context.Context) error {
	if r.conn != nil && !r.conn.IsClosed() {
		return nil
	}
	conn, err := r.db.Connect(ctx)
	if err != nil {
		return err
	}
	r.conn = conn
	return nil
}

func (r *rebuild) disconnect() {
	if r.conn != nil {
		pg.CloseConn(r.conn)
		r.conn = nil
	}
}
