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

// errAllLocked means that there is nothing to write until a probe finds a row free.
var errAllLocked = errors.New("all conversations with held requests are locked by other transactions")

// fail handles the error of an attempt, and sets the pause before the next one. Requests
// that it does not answer stay held.
func (c *committer) fail(err error) {
	var refused *appendError
	m := c.log.metrics
	switch {
	case errors.Is(err, errAllLocked):
		return
	case errors.Is(err, errUnsure):
		m.unknown.Inc()
	case pg.ConnectionLost(err), errors.Is(err, context.Canceled):
		m.lostConnection(c.lost != nil)
		c.disconnect()
	case errors.As(err, &refused):
		m.refused.Inc()
		c.failBatch(refused)
	case pg.Transient(err):
		m.lostConnection(c.lost != nil)
		c.disconnect() // another server may answer by now
	default:
		m.lostConnection(c.lost != nil)
		c.logger.Error("append failed, retrying", "error", err)
		c.disconnect()
	}
	c.logger.Debug("retrying the append", "error", err, "held", len(c.held))
	c.pause = min(max(2*c.pause, firstPause), longestPause)
}

// failBatch handles the error of a batch that the server refused as a whole.
func (c *committer) failBatch(refused *appendError) {
	switch code := pg.SQLState(refused); {
	case code == pg.StateLockTimeout:
		for _, g := range refused.batch.groups {
			c.locked[g.id] = struct{}{} // until the next probe
		}
		c.probed = time.Time{}
	case code == pg.StateNoConversation:
		c.states.clear()
	case code == pg.StateReadOnly || code == pg.StateNotInState:
		c.disconnect()
	case pg.Transient(refused):
	default:
		c.isolate(refused)
	}
}

// isolate finds the request for which the server refuses a batch: next, each request
// gets a batch of its own. A request that was alone is answered with the error.
func (c *committer) isolate(refused *appendError) {
	var requests []*request
	for _, g := range refused.batch.groups {
		for _, d := range g.decisions {
			requests = append(requests, d.request)
		}
	}
	if len(requests) == 1 {
		c.logger.Error("command not stored: the server refused it", "error", refused)
		c.answer(requests[0], domain.Outcome{}, domain.ErrInternal.WithCause(refused))
		return
	}
	for _, r := range requests {
		r.alone = true
	}
}

const probeSQL = `SELECT id FROM conversations WHERE id = ANY ($1) ORDER BY id FOR UPDATE SKIP LOCKED`

// probe finds out which locked conversations are free again.
func (c *committer) probe(ctx context.Context) error {
	if len(c.locked) == 0 || time.Since(c.probed) < probeInterval {
		return nil
	}
	var ids [][16]byte
	for id := range c.locked {
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
		delete(c.locked, id)
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

// resolve finds out whether a batch was committed whose answer was lost. If it was, its
// requests are answered. If not, they stay held, and attempt writes the next batch
// under the same id.
func (c *committer) resolve(ctx context.Context, lost *batch) error {
	var ids [][16]byte
	for _, g := range lost.groups {
		ids = append(ids, g.id)
		c.states.drop(g.id)
	}
	if !lost.awaited() {
		c.lost = nil // no caller waits for the outcome any longer
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
	c.logger.Info("found a batch committed whose answer was lost", "events", len(events))
	c.lost = nil
	lost.id = newBatchID() // for the next batch: the old id is in the log already
	c.answerCommitted(lost, events)
	return nil
}

// answerCommitted answers the requests of a batch with its events. A request without
// events in it (a refusal or a duplicate) stays held and is decided again. The audience
// of the events is not known any longer, so they are published to all nodes.
func (c *committer) answerCommitted(b *batch, events []domain.Event) {
	byID := map[domain.ConversationID][]domain.Event{}
	for _, e := range events {
		byID[e.ConversationID] = append(byID[e.ConversationID], e)
	}
	var commits []domain.Committed
	for id, list := range byID {
		commits = append(commits, domain.Committed{ConversationID: id, Epoch: c.epoch, Events: list})
	}
	c.log.committed(commits)
	for _, g := range b.groups {
		rest := byID[g.id]
		for _, d := range g.decisions {
			n := len(d.drafts)
			if n == 0 || n > len(rest) || !slices.EqualFunc(d.drafts, rest[:n], matches) {
				continue
			}
			c.answer(d.request, domain.Outcome{Events: rest[:n:n]}, nil)
			rest = rest[n:]
		}
	}
}

// matches reports whether an event was made from a draft. A message that was recalled
// since then has no content left, and is recognized by the rest.
func matches(d domain.Draft, e domain.Event) bool {
	return d.Type == e.Type && d.Sender == e.Sender && d.ClientMsgID == e.ClientMsgID &&
		(bytes.Equal(d.Body, e.Body) || erased(&e))
}

// erased reports whether a recall has erased the content of e.
func erased(e *domain.Event) bool {
	if e.Type != domain.MessagePosted && e.Type != domain.MessageEdited {
		return false
	}
	var body struct {
		Content json.RawMessage `json:"content"`
	}
	return json.Unmarshal(e.Body, &body) == nil && string(body.Content) == "null"
}
