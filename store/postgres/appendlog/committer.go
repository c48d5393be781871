package appendlog

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"im/domain"
	"im/internal/timeline"
	"im/store/postgres/internal/pg"
)

const (
	batchCommands = 1024
	batchDrafts   = 2048 // the last command of a batch may go beyond
	batchBytes    = 4 << 20

	attemptAppend = 4 * time.Second // bounds one attempt at a batch; a commit takes milliseconds
	flushGrace    = 5 * time.Second // bounds the writing of what is left when Run ends
	firstPause    = 25 * time.Millisecond
	longestPause  = 400 * time.Millisecond
	probeInterval = 100 * time.Millisecond
)

// committer appends the requests that it takes from the queue, a batch at a time, over
// a connection of its own. All fields but log and queue belong to the goroutine of run.
//
// Each turn of run begins in one of these states:
//
//	state        | fields                  | what the turn does, and the next state
//	idle         | held is empty           | waits for the queue; holding
//	holding      | held, lost is nil       | writes a batch; idle or holding. Without an answer from the
//	             |                         | server, or if the id of the batch is in the log already:
//	             |                         | outcome lost, and paused. After any other error: paused
//	outcome lost | lost is the batch       | looks the batch up by its id. Committed: answers its requests.
//	             |                         | Not committed, or no caller waits for it any longer: writes the
//	             |                         | next batch under the same id, so that only one of the two can
//	             |                         | be committed; holding
//	paused       | pause > 0               | waits for pause, which doubles up to longestPause; then as before
//
// A conversation is in locked while another transaction holds its row for longer than
// the lock timeout. Its requests stay held and are left out of batches until a probe
// finds the row free, so that they delay no other conversation.
type committer struct {
	number int // among the committers of the log
	log    *Log
	logger *slog.Logger
	queue  *queue

	conn      *pg.Conn // nil: not connected
	epoch     string   // of the states in the cache
	states    *cache
	batchSize batchSize
	held      []*request // taken and not answered, in order, before everything queued
	lost      *batch     // sent, and its answer did not arrive
	pause     time.Duration

	locked map[domain.ConversationID]struct{}
	probed time.Time // when locked was checked last
}

func newCommitter(l *Log, number int) *committer {
	return &committer{
		number: number, log: l, logger: l.db.Logger, queue: l.queue,
		states:    newCache(l.options.CacheBytes / l.options.Committers),
		batchSize: batchSize{bytes: firstBatchBytes},
		locked:    map[domain.ConversationID]struct{}{},
	}
}

// run appends until ctx ends. Then it closes the queue, and returns when all requests
// are answered, or after flushGrace.
func (c *committer) run(ctx context.Context) error {
	flush, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	defer context.AfterFunc(ctx, func() {
		c.queue.close()
		time.AfterFunc(flushGrace, abandon)
	})()
	defer c.disconnect()
	for flush.Err() == nil {
		if c.held = c.queue.take(c.number, c.held, batchCommands); len(c.held) > 0 {
			c.step(flush)
		} else if c.queue.drained() {
			break
		} else {
			c.queue.await(flush, c.number)
		}
	}
	for _, r := range c.queue.drain(c.held) {
		c.answer(r, domain.Outcome{}, domain.ErrUnavailable)
	}
	return nil
}

// step tries to answer the requests that are held.
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
	c.dropAnswered()
	c.queue.release(c.number, c.held, c.lost)
	if c.pause > 0 {
		pg.Sleep(ctx, c.pause)
	}
}

// attempt finds out the outcome of a lost batch, if there is one, and writes one batch.
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
		id = lost.id // if the lost batch arrives only now, one of the two fails
		c.dropAnswered()
	}
	if err := c.probe(ctx); err != nil {
		return err
	}
	picked, size, full := c.pick()
	if len(picked) == 0 {
		if len(c.held) > 0 {
			c.pause = firstPause
			return errAllLocked
		}
		return nil
	}
	if timeline.On() {
		for _, r := range picked {
			mark(timeline.Taken, r.cmd)
		}
	}
	began := time.Now()
	c.log.metrics.taken(picked, began)
	var err error
	if c.log.options.Tracer == nil {
		err = c.appendBatch(ctx, id, picked, began)
	} else {
		err = c.appendTraced(ctx, id, picked, began)
	}
	took := time.Since(began)
	if full && (err == nil || ctx.Err() != nil) {
		c.queue.observe(c.number, size, took)
	}
	switch {
	case err == nil:
		c.batchSize.succeeded(size, took)
	case ctx.Err() != nil:
		c.batchSize.timedOut(size)
	}
	return err
}

// appendBatch decides the picked requests and writes what they come to.
func (c *committer) appendBatch(ctx context.Context, id uuid.UUID, picked []*request, began time.Time) error {
	b, err := c.decide(ctx, id, picked)
	if err != nil {
		return err
	}
	decided := time.Now()
	c.log.metrics.decided.Observe(decided.Sub(began).Seconds())
	if err := c.write(ctx, b); err != nil {
		return err
	}
	c.log.metrics.written.Observe(time.Since(decided).Seconds())
	c.log.metrics.commands.Observe(float64(len(picked)))
	return nil
}

// deadline is when the attempt must end, so that the oldest request is answered when it
// is due. Requests of locked conversations do not count.
func (c *committer) deadline() time.Time {
	deadline := time.Now().Add(attemptAppend)
	for _, r := range c.held {
		if _, locked := c.locked[r.target]; !locked && r.due.Before(deadline) {
			deadline = r.due
		}
	}
	return deadline
}

// pick chooses the requests of the next batch. It returns their size, and whether the
// batch is full while more are held. Requests of one conversation stay in order. One
// that repeats the idempotency key of another waits until that one is answered.
func (c *committer) pick() (picked []*request, size int, full bool) {
	type posting struct {
		target domain.ConversationID
		sender domain.UserID
		id     string
	}
	picked = make([]*request, 0, min(len(c.held), batchCommands))
	seen := make(map[posting]struct{}, cap(picked))
	for _, r := range c.held {
		if _, locked := c.locked[r.target]; locked {
			continue
		}
		if len(picked) == batchCommands || len(picked) > 0 && size+r.size > c.batchSize.bytes {
			return picked, size, true
		}
		if len(picked) > 0 && r.alone {
			break
		}
		if key, ok := r.cmd.Key(); ok {
			p := posting{r.target, key.Sender, key.ClientMsgID}
			if _, twin := seen[p]; twin {
				continue
			}
			seen[p] = struct{}{}
		}
		picked = append(picked, r)
		size += r.size
		if r.alone {
			break
		}
	}
	return picked, size, false
}

// expire fails requests that are past their deadline or whose caller is gone, and those
// that can no longer be committed before it.
func (c *committer) expire() {
	now := time.Now()
	soon := now.Add(c.batchSize.leadTime())
	c.held = c.queue.overdue(c.held, soon)
	for _, r := range c.held {
		if r.abandoned() || now.After(r.due) || !r.written && soon.After(r.due) {
			c.answer(r, domain.Outcome{}, c.queue.timeoutError())
		}
	}
	c.dropAnswered()
}

// answer answers a request, once.
func (c *committer) answer(r *request, o domain.Outcome, err error) {
	if r.answered {
		return
	}
	r.answered = true
	r.endSpan(err)
	c.queue.free(r.size)
	c.log.metrics.answered(o, err)
	r.answer(o, err)
}

// dropAnswered removes the answered requests from held.
func (c *committer) dropAnswered() {
	kept := c.held[:0]
	for _, r := range c.held {
		if !r.answered {
			kept = append(kept, r)
		}
	}
	clear(c.held[len(kept):])
	c.held = kept
}

// connect connects if there is no connection, and empties the cache in a new epoch.
func (c *committer) connect(ctx context.Context) error {
	if c.conn != nil && c.conn.IsClosed() {
		c.conn = nil
	}
	if c.conn == nil {
		conn, err := c.log.db.Connect(ctx)
		if err != nil {
			return err
		}
		c.conn = conn
	}
	if epoch := c.log.db.KnownEpoch(); epoch != c.epoch {
		c.epoch = epoch
		c.states.clear()
		clear(c.locked)
	}
	return nil
}

func (c *committer) disconnect() {
	if c.conn != nil {
		pg.CloseConn(c.conn)
		c.conn = nil
	}
}
