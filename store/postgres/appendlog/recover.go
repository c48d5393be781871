package appendlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

var errStuck = errors.New("all conversations that have work are locked by others")

// fail decides what happens after an attempt that came to nothing. What is not
// answered here comes again.
func (c *committer) fail(err error) {
	var refused *appendError
	switch {
	case errors.Is(err, errStuck):
		return
	case errors.Is(err, errUnsure):
	case pg.ConnectionLost(err), errors.Is(err, context.Canceled):
		c.hangUp()
	case errors.As(err, &refused):
		c.failBatch(refused)
	case pg.Transient(err):
		c.hangUp() // perhaps another server answers by now
	default:
		c.logger.Error("appending failed", "error", err)
		c.hangUp()
	}
	c.logger.Debug("appending has to be tried again", "error", err, "waiting", len(c.held))
	c.pause = min(max(2*c.pause, firstPause), longestPause)
}

// failBatch looks at a batch of which the server wrote nothing.
func (c *committer) failBatch(refused *appendError) {
	switch code := pg.SQLState(refused); {
	case code == pg.StateLockTimeout:
		for _, w := range refused.batch.works {
			c.stuck[w.id] = struct{}{} // until the next probe
		}
		c.probed = time.Time{}
	case code == pg.StateNoConversation:
		c.states.clear()
	case code == pg.StateReadOnly || code == pg.StateNotInState:
		c.hangUp()
	case pg.Transient(refused):
	default:
		c.blame(refused)
	}
}

// blame finds the bad one of a batch: each of its commands comes alone next, and
// one that was alone gets the error.
func (c *committer) blame(refused *appendError) {
	var entries []*entry
	for _, w := range refused.batch.works {
		for _, s := range w.steps {
			entries = append(entries, s.entry)
		}
	}
	if len(entries) == 1 {
		c.logger.Error("a command could not be stored", "error", refused)
		c.answer(entries[0], domain.Outcome{}, domain.ErrInternal.WithCause(refused))
		return
	}
	for _, e := range entries {
		e.alone = true
	}
}

const probeSQL = `SELECT id FROM conversations WHERE id = ANY ($1) ORDER BY id FOR UPDATE SKIP LOCKED`

// probe looks which conversations can be locked again, so that one that cannot
// holds up nobody else.
func (c *committer) probe(ctx context.Context) error {
	if len(c.stuck) == 0 || time.Since(c.probed) < probeInterval {
		return nil
	}
	var ids [][16]byte
	for id := range c.stuck {
		ids = append(ids, id)
	}
	rows, err := c.conn.Query(ctx, probeSQL, ids)
	if err != nil {
		return err
	}
	free, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return err
	}
	for _, id := range free {
		delete(c.stuck, id)
	}
	c.probed = time.Now()
	return nil
}

const (
	committedSQL = `SELECT im_committed_1($1, $2)`

	readBackSQL = `
SELECT e.conversation_id, e.seq, e.type, e.sender, coalesce(e.client_msg_id, ''), e.at, e.body::text
FROM commits k
CROSS JOIN LATERAL unnest(k.conversations, k.firsts, k.heads) AS r (id, first_seq, head_seq)
JOIN events e ON e.conversation_id = r.id AND e.seq BETWEEN r.first_seq AND r.head_seq
WHERE k.batch = $1
ORDER BY e.conversation_id, e.seq`
)

// resolve finds out what became of a batch whose answer was lost, and answers its
// commands if they are written. The others come again.
func (c *committer) resolve(ctx context.Context, lost *batch) error {
	var ids [][16]byte
	for _, w := range lost.works {
		ids = append(ids, w.id)
		c.states.drop(w.id)
	}
	if !lost.awaited() {
		c.lost = nil // everybody was told that it is unknown
		return nil
	}
	var found bool
	if err := c.conn.QueryRow(ctx, committedSQL, lost.id, ids).Scan(&found); err != nil {
		return err
	}
	if !found {
		c.lost = nil
		return nil
	}
	rows, err := c.conn.Query(ctx, readBackSQL, lost.id)
	if err != nil {
		return err
	}
	events, err := pgx.CollectRows(rows, pg.ScanEvent)
	if err != nil {
		return err
	}
	c.logger.Info("a batch whose answer was lost had been committed", "events", len(events))
	c.lost = nil
	lost.id = newBatchID() // the id is used up
	c.recognize(lost, events)
	return nil
}

// recognize answers the commands whose events are there. Who was to hear of them
// is not known any more, so everybody is told.
func (c *committer) recognize(b *batch, events []domain.Event) {
	byID := map[domain.ConversationID][]domain.Event{}
	for _, e := range events {
		byID[e.ConversationID] = append(byID[e.ConversationID], e)
	}
	var commits []domain.Committed
	for id, list := range byID {
		commits = append(commits, domain.Committed{ConversationID: id, Epoch: c.epoch, Events: list})
	}
	c.log.committed(commits)
	for _, w := range b.works {
		rest := byID[w.id]
		for _, s := range w.steps {
			n := len(s.drafts)
			if n == 0 || n > len(rest) || !slices.EqualFunc(s.drafts, rest[:n], made) {
				continue
			}
			c.answer(s.entry, domain.Outcome{Events: rest[:n:n]}, nil)
			rest = rest[n:]
		}
	}
}

// made tells whether an event came from a draft. What was recalled since is known
// by the rest.
func made(d domain.Draft, e domain.Event) bool {
	return d.Type == e.Type && d.Sender == e.Sender && d.ClientMsgID == e.ClientMsgID &&
		(bytes.Equal(d.Body, e.Body) || erased(&e))
}

func erased(e *domain.Event) bool {
	if e.Type != domain.MessagePosted && e.Type != domain.MessageEdited {
		return false
	}
	var body struct {
		Content json.RawMessage `json:"content"`
	}
	return json.Unmarshal(e.Body, &body) == nil && string(body.Content) == "null"
}
