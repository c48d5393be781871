package rebuild

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/internal/strictjson"
	"im/store/postgres/internal/pg"
)

// comparison is the fold of the log of one conversation, and how its projections differ
// from the fold.
type comparison struct {
	id          domain.ConversationID
	fold        domain.Fold
	differences []Difference
	broken      bool // the log cannot be folded, or the row cannot be restored

	// The keys of the rows to write, by table.
	events      []derived
	head        bool
	numbers     bool // read_message_no of members may be wrong
	members     []domain.UserID
	states      []int64
	mentions    []int64
	reactions   []domain.FoldedReactor
	pins        []int64
	sanctions   []sanctionKey
	uses        []int64
	attachments []domain.AttachmentID
}

// derived is the columns of an event that follow from the log before it.
type derived struct{ seq, messageNo, target int64 }

// The transaction locks nothing, so it may be idle for long while Go folds.
const longTransactionSQL = `SELECT set_config('idle_in_transaction_session_timeout', '10min', true)`

// compare compares a conversation in one snapshot, without locks.
func compare(ctx context.Context, conn *pg.Conn, id domain.ConversationID) (*comparison, error) {
	var c *comparison
	return c, pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: pg.BeginRead}, func(tx pgx.Tx) error {
		c = &comparison{id: id}
		b := &pgx.Batch{}
		b.Queue(longTransactionSQL)
		b.Queue(foldSQL, id, c.fold.Head).Query(c.foldNext)
		b.Queue(conversationSQL, id).Query(c.compareHead)
		if err := tx.SendBatch(ctx, b).Close(); err != nil || c.broken {
			return err
		}
		b = &pgx.Batch{}
		b.Queue(foldedMembersSQL, id, c.fold.Users()).Query(c.compareMembers)
		b.Queue(foldedStatesSQL, id).Query(c.compareStates)
		b.Queue(foldedMentionsSQL, id).Query(c.compareMentions)
		b.Queue(foldedReactionsSQL, id).Query(c.compareReactions)
		b.Queue(foldedPinsSQL, id).Query(c.comparePins)
		b.Queue(foldedSanctionsSQL, id).Query(c.compareSanctions)
		b.Queue(foldedAttachmentsSQL, id).Query(c.compareAttachments)
		return tx.SendBatch(ctx, b).Close()
	})
}

func (c *comparison) differ(table, key, column string, stored, folded any) {
	c.differences = append(c.differences, Difference{
		ConversationID: c.id, Table: table, Key: key, Column: column, Stored: format(stored), Folded: format(folded),
	})
}

// format formats a value for a Difference; nil is withheld.
func format(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case domain.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}

// The values of a row that is only on one side.
const (
	present = "present"
	missing = "missing"
)

const foldSQL = `
SELECT seq, type, sender, at, body::text, message_no, coalesce(target_seq, 0)
FROM events WHERE conversation_id = $1 AND seq > $2 ORDER BY seq`

// foldNext folds the events after the head of the fold, and compares their derived
// columns.
func (c *comparison) foldNext(rows pgx.Rows) error {
	var kind, sender, body string
	var at time.Time
	var stored derived
	_, err := pgx.ForEachRow(rows, []any{&stored.seq, &kind, &sender, &at, &body, &stored.messageNo, &stored.target}, func() error {
		if c.broken {
			return nil
		}
		e := domain.Event{
			ConversationID: c.id, Seq: stored.seq, Type: domain.EventType(kind), Sender: domain.UserID(sender),
			At: domain.TimeOf(at), Body: json.RawMessage(body),
		}
		target, err := domain.TargetOf(&e)
		if err == nil {
			err = c.fold.Apply(&e)
		}
		if err != nil {
			c.broken = true
			c.differ("events", "seq "+strconv.FormatInt(stored.seq, 10), "", err, nil)
			return nil
		}
		c.compareEvent(stored, derived{e.Seq, c.fold.MessageNo(e.Seq), target})
		return nil
	})
	return err
}

func (c *comparison) compareEvent(stored, want derived) {
	if stored == want {
		return
	}
	key := "seq " + strconv.FormatInt(want.seq, 10)
	if stored.messageNo != want.messageNo {
		c.differ("events", key, "message_no", stored.messageNo, want.messageNo)
		c.numbers = true
	}
	if stored.target != want.target {
		c.differ("events", key, "target_seq", stored.target, want.target)
	}
	c.events = append(c.events, want)
}

const conversationSQL = `
SELECT kind, creator, coalesce(direct_key, ''), title, avatar_url, settings::text, metadata::text, created_at, last_at,
	head_seq, version, message_count, last_message_seq, last_message_at, member_count
FROM conversations WHERE id = $1`

func (c *comparison) compareHead(rows pgx.Rows) error {
	if c.broken {
		return nil
	}
	var kind, creator, direct, settings string
	var title, avatar, metadata *string
	var created, last time.Time
	var posted *time.Time // null: no message
	var head, version, messages, lastMessage int64
	var members int
	tag, err := pgx.ForEachRow(rows, []any{
		&kind, &creator, &direct, &title, &avatar, &settings, &metadata, &created, &last,
		&head, &version, &messages, &lastMessage, &posted, &members,
	}, func() error { return nil })
	gone := tag.RowsAffected() == 0
	f := &c.fold
	before := len(c.differences)
	switch {
	case err != nil:
		return err
	case gone && f.Head == 0:
		return domain.ErrNotFound
	case gone:
		c.differ("conversations", "", "", missing, present)
		c.head, c.numbers = true, true
		return nil
	case f.Head == 0:
		c.broken = true
		c.differ("conversations", "", "", present, "no events")
		return nil
	}
	c.equal("kind", kind, string(f.Kind))
	c.equal("creator", creator, string(f.Creator))
	c.equal("head_seq", head, f.Head)
	c.equal("message_count", messages, f.MessageCount())
	c.equal("last_message_seq", lastMessage, f.LastMessage)
	c.equal("member_count", members, f.MemberCount())
	c.equal("last_at", domain.TimeOf(last), f.LastAt)
	c.equal("last_message_at", timeOf(posted), f.LastPosted)
	if version != f.Version && version >= 0 { // below zero: a change that is no event
		c.differ("conversations", "", "version", version, f.Version)
	}
	if direct != f.DirectKey {
		c.differ("conversations", "", "direct_key", nil, nil)
	}
	if early := f.CreatedAt.Sub(created); early < 0 || early >= time.Second { // the row's clock was read before the event's
		c.differ("conversations", "", "created_at", domain.TimeOf(created), f.CreatedAt)
	}
	c.withhold("title", sameText(title, f.Title))
	c.withhold("avatar_url", sameText(avatar, f.AvatarURL))
	c.withhold("metadata", sameJSON(metadata, f.Metadata))
	c.withhold("settings", sameSettings(settings, f.Settings))
	c.head = len(c.differences) > before
	c.numbers = c.numbers || c.head // messages posted since the damage were counted from it
	return nil
}

// timeOf returns a time that may be null; then it is the zero Time.
func timeOf(t *time.Time) domain.Time {
	if t == nil {
		return domain.Time{}
	}
	return domain.TimeOf(*t)
}

// equal compares a column of the conversation.
func (c *comparison) equal(column string, stored, folded any) {
	if stored != folded {
		c.differ("conversations", "", column, stored, folded)
	}
}

// withhold records that a value differs, without the value, which users wrote.
func (c *comparison) withhold(column string, same bool) {
	if !same {
		c.differ("conversations", "", column, nil, nil)
	}
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// sameJSON compares values: the bytes in the event may have less white space.
func sameJSON(stored *string, folded json.RawMessage) bool {
	a, b := pg.RawJSON(stored), folded
	if len(b) == 0 {
		b = pg.RawJSON(nil)
	}
	return bytes.Equal(strictjson.AppendCanonical(nil, a), strictjson.AppendCanonical(nil, b))
}

func sameSettings(stored string, folded domain.Settings) bool {
	var s domain.Settings
	return json.Unmarshal([]byte(stored), &s) == nil && s == folded
}
