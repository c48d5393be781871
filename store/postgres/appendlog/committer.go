package appendlog

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	batchCommands = 1024
	batchDrafts   = 2048 // one command may go beyond
	batchBytes    = 4 << 20

	attemptAppend = 4 * time.Second // of one attempt at a batch; a commit takes milliseconds
	flushGrace    = 5 * time.Second // for what was taken before the end
	firstPause    = 25 * time.Millisecond
	longestPause  = 400 * time.Millisecond
	probeInterval = 100 * time.Millisecond
)

// committer appends what it takes from the queue. All but the queue belongs to
// the goroutine of run.
type committer struct {
	number int // among the committers of the store
	log    *Log
	logger *slog.Logger
	queue  *queue

	conn   *pgx.Conn
	epoch  string // that the cache is of
	states *cache
	extent extent
	held   []*entry // taken and not answered, in order, before all that is queued
	lost   *batch   // may have been committed: its answer did not arrive
	pause  time.Duration

	stuck  map[domain.ConversationID]struct{} // others hold their locks for too long
	probed time.Time
}

func newCommitter(l *Log, number int) *committer {
	return &committer{
		number: number, log: l, logger: l.db.Logger, queue: l.queue,
		states: newCache(l.options.CacheBytes / l.options.Committers),
		extent: extent{bytes: firstExtent},
		stuck:  map[domain.ConversationID]struct{}{},
	}
}

// run appends until ctx has ended and what was taken is written, or cannot be
// within flushGrace.
func (c *committer) run(ctx context.Context) error {
	flush, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	defer context.AfterFunc(ctx, func() {
		c.queue.close()
		time.AfterFunc(flushGrace, abandon)
	})()
	defer c.hangUp()
	for flush.Err() == nil {
		if c.held = c.queue.take(c.number, c.held, batchCommands); len(c.held) > 0 {
			c.step(flush)
		} else if c.queue.drained() {
			break
		} else {
			c.queue.await(flush, c.number)
		}
	}
	for _, e := range c.queue.surrender(c.held) {
		c.answer(e, domain.Outcome{}, domain.ErrUnavailable)
	}
	return nil
}

// step tries to have all answered that is held.
func (c *committer) step(ctx context.Context) {
	c.expire()
	err := error(nil)
	if len(c.held) > 0 {
		err = c.attempt(ctx)
	}
	if err != nil {
		c.fail(err)
	} else {
		c.pause = 0
	}
	c.forget()
	c.queue.keep(c.number, c.held, c.lost)
	if c.pause > 0 {
		pg.Sleep(ctx, c.pause)
	}
}

// attempt resolves what is unknown and writes one batch.
func (c *committer) attempt(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, c.deadline())
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return err
	}
	id := newBatchID()
	if lost := c.lost; lost != nil {
		if err := c.resolve(ctx, lost); err != nil {
			return err
		}
		id = lost.id // should the lost one begin only now, one of the two fails
		c.forget()
	}
	if err := c.probe(ctx); err != nil {
		return err
	}
	picked, size, full := c.pick()
	if len(picked) == 0 {
		if len(c.held) > 0 {
			c.pause = firstPause
			return errStuck
		}
		return nil
	}
	began := time.Now()
	b, err := c.decide(ctx, id, picked)
	if err == nil {
		err = c.write(ctx, b)
	}
	took := time.Since(began)
	if full && (err == nil || ctx.Err() != nil) {
		c.queue.full(c.number, size, took)
	}
	switch {
	case err == nil:
		c.extent.wrote(size, took)
	case ctx.Err() != nil:
		c.extent.late(size)
	}
	return err
}

// deadline leaves time to answer the oldest command when it is due; those that
// are left aside interrupt nobody.
func (c *committer) deadline() time.Time {
	deadline := time.Now().Add(attemptAppend)
	for _, e := range c.held {
		if _, stuck := c.stuck[e.target]; !stuck && e.due.Before(deadline) {
			deadline = e.due
		}
	}
	return deadline
}

// pick chooses the next batch, and tells its size, and whether more was there than
// may be in one. Commands of one conversation stay in order; one that repeats the
// key of another waits until that one is settled.
func (c *committer) pick() (picked []*entry, size int, full bool) {
	type posting struct {
		target domain.ConversationID
		sender domain.UserID
		id     string
	}
	picked = make([]*entry, 0, min(len(c.held), batchCommands))
	seen := make(map[posting]struct{}, cap(picked))
	for _, e := range c.held {
		if _, stuck := c.stuck[e.target]; stuck {
			continue
		}
		if len(picked) == batchCommands || len(picked) > 0 && size+e.size > c.extent.bytes {
			return picked, size, true
		}
		if len(picked) > 0 && e.alone {
			break
		}
		if key, ok := e.cmd.Key(); ok {
			p := posting{e.target, key.Sender, key.ClientMsgID}
			if _, twin := seen[p]; twin {
				continue
			}
			seen[p] = struct{}{}
		}
		picked = append(picked, e)
		size += e.size
		if e.alone {
			break
		}
	}
	return picked, size, false
}

// expire answers those who waited for too long, or wait no more. One that is not
// begun with in time has waited for too long.
func (c *committer) expire() {
	now := time.Now()
	soon := now.Add(c.extent.lead())
	c.held = c.queue.overdue(c.held, soon)
	for _, e := range c.held {
		if e.forsaken() || now.After(e.due) || !e.written && soon.After(e.due) {
			c.answer(e, domain.Outcome{}, c.queue.late())
		}
	}
	c.forget()
}

func (c *committer) answer(e *entry, o domain.Outcome, err error) {
	if e.answered {
		return
	}
	e.answered = true
	c.queue.release(e.size)
	e.answer(o, err)
}

// forget lets go of what is answered.
func (c *committer) forget() {
	kept := c.held[:0]
	for _, e := range c.held {
		if !e.answered {
			kept = append(kept, e)
		}
	}
	clear(c.held[len(kept):])
	c.held = kept
}

func (c *committer) connect(ctx context.Context) error {
	if c.conn != nil && c.conn.IsClosed() {
		c.conn = nil
	}
	if c.conn == nil {
		conn, err := c.log.db.Connect(ctx)
		if err != nil {
			return err
		}
		if err := c.log.db.CheckEpoch(ctx, conn); err != nil {
			pg.CloseConn(conn)
			return err
		}
		c.conn = conn
	}
	if epoch := c.log.db.KnownEpoch(); epoch != c.epoch {
		c.epoch = epoch
		c.states.clear()
		clear(c.stuck)
	}
	return nil
}

func (c *committer) hangUp() {
	if c.conn != nil {
		pg.CloseConn(c.conn)
		c.conn = nil
	}
}
