package appendlog

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	appendName = "append" // of the prepared statement

	appendSQL = `
SELECT statuses, seqs, ats FROM im_append_2(
	$1::uuid, $2::text, $3::uuid[], $4::bigint[],
	$5::int[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[], $11::bigint[],
	$12::int[], $13::text[], $14::int[], $15::text[], $16::text[],
	$17::int[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[],
	$23::int[], $24::bigint[], $25::text[], $26::bool[])`
)

// What im_append_2 says of a draft.
const (
	statusAppended = iota
	statusDuplicate
	statusAstray
	statusStale
)

// written is what im_append_2 answered: for each draft, in the order of works
// and steps, and the time for each work that has drafts.
type written struct {
	statuses []int32
	seqs     []int64
	ats      []time.Time
}

// write appends the batch, unless nothing came of it, and answers.
func (c *committer) write(ctx context.Context, b *batch) error {
	args := newAppendArgs(b)
	if len(args.ids) == 0 {
		return c.settle(ctx, b, written{})
	}
	for _, w := range b.works {
		for _, s := range w.steps {
			s.entry.written = true
		}
	}
	c.lost = b
	got, err := c.append(ctx, args.params(b, c.log.options.Node))
	switch {
	case err == nil:
	case pg.Violates(err, "commits_batch"):
		return errors.Join(errUnsure, err) // the batch is there: resolve it
	case pg.SQLState(err) != "" && !pg.ConnectionLost(err):
		c.lost = nil
		return &appendError{b, err}
	default:
		return err
	}
	c.lost = nil
	return c.settle(ctx, b, got)
}

// append calls im_append_2 with parameters and results in PostgreSQL's binary form,
// which pgx would arrive at by reflection on every element.
func (c *committer) append(ctx context.Context, p *params) (got written, err error) {
	if _, err := c.conn.Prepare(ctx, appendName, appendSQL); err != nil { // once a connection
		return got, err
	}
	values := p.values()
	result := c.conn.PgConn().ExecPrepared(ctx, appendName, values, binaryFormats(len(values)), binaryFormats(3)).Read()
	if result.Err != nil {
		return got, result.Err
	}
	if len(result.Rows) != 1 {
		return got, errWire
	}
	r := resultReader{row: result.Rows[0]}
	got = written{statuses: r.int32s(), seqs: r.int64s(), ats: r.times()}
	return got, r.err
}

var errUnsure = errors.New("the batch may have been written before")

// appendError is that the server refused a batch: nothing of it was written.
type appendError struct {
	batch *batch
	cause error
}

func (e *appendError) Error() string { return "append: " + e.cause.Error() }
func (e *appendError) Unwrap() error { return e.cause }

// appendArgs are the parallel arrays of im_append_2.
type appendArgs struct {
	ids      [][16]byte
	versions []int64

	conv    []int32
	types   []string
	senders []string
	msgIDs  []string
	hashes  [][]byte
	bodies  []json.RawMessage
	about   []int64 // reply_to or target

	mentionOf []int32
	mentioned []string

	memberOf []int32
	members  []string
	roles    []string

	updateOf  []int32
	sets      []string
	titles    []*string
	avatars   []*string
	settings  []*string
	metadatas []*string

	targetOf []int32
	touched  []int64
	emojis   []string
	had      []bool
}

func newAppendArgs(b *batch) *appendArgs {
	n := 0
	for _, w := range b.works {
		n += w.drafts()
	}
	a := &appendArgs{
		conv: make([]int32, 0, n), types: make([]string, 0, n), senders: make([]string, 0, n),
		msgIDs: make([]string, 0, n), hashes: make([][]byte, 0, n), bodies: make([]json.RawMessage, 0, n), about: make([]int64, 0, n),
	}
	for _, w := range b.works {
		if w.silent() {
			continue
		}
		a.ids = append(a.ids, w.id)
		a.versions = append(a.versions, w.base.Version)
		last := w.lastTouches()
		for _, s := range w.steps {
			for i := range s.drafts {
				a.add(&s.drafts[i])
				a.addTarget(&s.drafts[i], w.messages, last)
			}
		}
	}
	return a
}

// lastTouches returns the last edit or recall of each message: what an edit before
// it mentions is not stored.
func (w *work) lastTouches() map[int64]*domain.Draft {
	if len(w.messages) == 0 {
		return nil
	}
	last := map[int64]*domain.Draft{}
	for _, s := range w.steps {
		for i := range s.drafts {
			if d := &s.drafts[i]; d.Type == domain.MessageEdited || d.Type == domain.MessageRecalled {
				last[d.Target] = d
			}
		}
	}
	return last
}

func (a *appendArgs) addTarget(d *domain.Draft, messages map[int64]*domain.MessageState, last map[int64]*domain.Draft) {
	if d.Target == 0 {
		return
	}
	n := len(a.conv) - 1
	a.about[n] = d.Target
	m := messages[d.Target] // as it was loaded
	a.targetOf = append(a.targetOf, int32(n+1))
	a.touched = append(a.touched, m.Revision)
	a.emojis = append(a.emojis, d.Emoji)
	a.had = append(a.had, m.Reactions[domain.Reactor{User: d.Sender, Emoji: d.Emoji}])
	if last[d.Target] == d {
		a.addMentions(d)
	}
}

func (a *appendArgs) addMentions(d *domain.Draft) {
	for _, user := range d.Mentions {
		a.mentionOf = append(a.mentionOf, int32(len(a.conv)))
		a.mentioned = append(a.mentioned, string(user))
	}
}

func (a *appendArgs) add(d *domain.Draft) {
	var hash []byte
	if d.ClientMsgID != "" {
		hash = d.Hash[:]
	}
	a.conv = append(a.conv, int32(len(a.ids)))
	a.types = append(a.types, string(d.Type))
	a.senders = append(a.senders, string(d.Sender))
	a.msgIDs = append(a.msgIDs, d.ClientMsgID)
	a.hashes = append(a.hashes, hash)
	a.bodies = append(a.bodies, d.Body)
	a.about = append(a.about, d.ReplyTo)
	n := int32(len(a.conv))
	switch d.Type {
	case domain.MessagePosted:
		a.addMentions(d)
	case domain.MemberAdded, domain.MemberRemoved, domain.MemberRoleChanged:
		a.memberOf = append(a.memberOf, n)
		a.members = append(a.members, string(d.Member.UserID))
		a.roles = append(a.roles, string(d.Member.Role))
	case domain.ConversationUpdated:
		a.addUpdate(n, d.Update)
	}
}

func (a *appendArgs) addUpdate(n int32, u *domain.UpdatedBody) {
	var set []byte
	for _, field := range []struct {
		letter  byte
		changed bool
	}{{'t', u.Title.Set}, {'a', u.AvatarURL.Set}, {'s', u.Settings != nil}, {'m', u.Metadata.Set}} {
		if field.changed {
			set = append(set, field.letter)
		}
	}
	var settings *string
	if u.Settings != nil {
		settings = new(pg.SettingsJSON(*u.Settings))
	}
	a.updateOf = append(a.updateOf, n)
	a.sets = append(a.sets, string(set))
	a.titles = append(a.titles, u.Title.Value)
	a.avatars = append(a.avatars, u.AvatarURL.Value)
	a.settings = append(a.settings, settings)
	a.metadatas = append(a.metadatas, pg.NullableJSON(u.Metadata.Or(nil)))
}

// params are those of appendSQL, in its order.
func (a *appendArgs) params(b *batch, node string) *params {
	p := &params{}
	p.uuid(b.id)
	p.text(node)
	array(p, uuidOID, a.ids, appendUUID)
	array(p, int8OID, a.versions, appendInt8)
	array(p, int4OID, a.conv, appendInt4)
	array(p, textOID, a.types, appendText)
	array(p, textOID, a.senders, appendText)
	array(p, textOID, a.msgIDs, appendText)
	array(p, byteaOID, a.hashes, appendBytea)
	array(p, textOID, a.bodies, appendText)
	array(p, int8OID, a.about, appendInt8)
	array(p, int4OID, a.mentionOf, appendInt4)
	array(p, textOID, a.mentioned, appendText)
	array(p, int4OID, a.memberOf, appendInt4)
	array(p, textOID, a.members, appendText)
	array(p, textOID, a.roles, appendText)
	array(p, int4OID, a.updateOf, appendInt4)
	array(p, textOID, a.sets, appendText)
	array(p, textOID, a.titles, appendNullable)
	array(p, textOID, a.avatars, appendNullable)
	array(p, textOID, a.settings, appendNullable)
	array(p, textOID, a.metadatas, appendNullable)
	array(p, int4OID, a.targetOf, appendInt4)
	array(p, int8OID, a.touched, appendInt8)
	array(p, textOID, a.emojis, appendText)
	array(p, boolOID, a.had, appendBool)
	return p
}
