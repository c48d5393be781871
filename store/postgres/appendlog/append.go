package appendlog

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"im/domain"
	"im/internal/timeline"
	"im/store/postgres/internal/pg"
)

// The parameters are described at im_append_1 (migrations/0002_functions.sql). They are
// filled by appendParams.values.
const appendSQL = `
SELECT statuses, seqs, ats FROM im_append_1(
	p_batch => $1, p_node => $2,
	p_conversation_ids => $3, p_versions => $4,
	p_conversation => $5, p_type => $6, p_sender => $7, p_client_msg_id => $8, p_hash => $9, p_body => $10, p_about_seq => $11,
	p_mentions => $12, p_members => $13, p_updates => $14, p_targets => $15)`

// For batches with bans, mutes, or messages in slow mode.
const appendModeratedSQL = `
SELECT statuses, seqs, ats FROM im_append_moderated_1(
	p_batch => $1, p_node => $2,
	p_conversation_ids => $3, p_versions => $4,
	p_conversation => $5, p_type => $6, p_sender => $7, p_client_msg_id => $8, p_hash => $9, p_body => $10, p_about_seq => $11,
	p_mentions => $12, p_members => $13, p_updates => $14, p_targets => $15, p_sanctions => $16, p_posters => $17)`

// For batches with messages that name attachments.
const appendAttachedSQL = `
SELECT statuses, seqs, ats FROM im_append_attached_1(
	p_batch => $1, p_node => $2,
	p_conversation_ids => $3, p_versions => $4,
	p_conversation => $5, p_type => $6, p_sender => $7, p_client_msg_id => $8, p_hash => $9, p_body => $10, p_about_seq => $11,
	p_mentions => $12, p_members => $13, p_updates => $14, p_targets => $15, p_sanctions => $16, p_posters => $17, p_attachments => $18)`

// For one message without mentions and attachments, as most batches of a quiet system are.
const appendMessageSQL = `
SELECT status, seq, at FROM im_append_message_1(
	p_batch => $1, p_node => $2, p_conversation_id => $3, p_version => $4,
	p_sender => $5, p_client_msg_id => $6, p_hash => $7, p_body => $8, p_reply_to => $9)`

// The status of an event, as im_append_1 returns it.
const (
	statusAppended  = iota
	statusDuplicate // of an earlier message
	statusNoMessage // it replies to something that is not a message of the conversation
	statusStale     // the state that it was decided on has changed
)

// written is the result of im_append_1: the status and seq of each draft, in the order
// of groups and decisions, and the time of each group that has drafts.
type written struct {
	statuses []int32
	seqs     []int64
	ats      []time.Time
}

// write appends the batch, if it has any events, and answers its commands. c.lost is
// the batch while its outcome is unknown.
func (c *committer) write(ctx context.Context, b *batch) error {
	params := newAppendParams(b)
	if len(params.ids) == 0 {
		return c.finish(ctx, b, written{})
	}
	for _, g := range b.groups {
		for _, d := range g.decisions {
			d.request.written = true
		}
	}
	c.lost = b
	b.mark(timeline.Append)
	got, err := c.append(ctx, b, params)
	b.mark(timeline.Committed)
	switch {
	case err == nil:
	case pg.Violates(err, "commits_batch"):
		return errors.Join(errUnsure, err) // an earlier attempt has written it: resolve finds out
	case pg.SQLState(err) != "" && !pg.ConnectionLost(err):
		c.lost = nil
		return &appendError{b, err}
	default:
		return err
	}
	c.lost = nil
	return c.finish(ctx, b, got)
}

// append writes the batch in one statement.
func (c *committer) append(ctx context.Context, b *batch, p *appendParams) (got written, err error) {
	if p.isMessage() {
		got = written{make([]int32, 1), make([]int64, 1), make([]time.Time, 1)}
		err = c.conn.QueryRow(ctx, appendMessageSQL,
			[16]byte(b.id), c.log.options.Node, p.ids[0], p.versions[0],
			p.senders[0], p.clientMsgIDs[0], p.hashes[0], p.bodies[0], p.about[0],
		).Scan(&got.statuses[0], &got.seqs[0], &got.ats[0])
		return got, err
	}
	sql, values := appendSQL, p.values(b, c.log.options.Node)
	switch {
	case len(p.attachments) > 0:
		sql, values = appendAttachedSQL, append(values, arrayJSON(p.sanctions), arrayJSON(p.posters), arrayJSON(p.attachments))
	case p.isModerated():
		sql, values = appendModeratedSQL, append(values, arrayJSON(p.sanctions), arrayJSON(p.posters))
	}
	err = c.conn.QueryRow(ctx, sql, values...).Scan(&got.statuses, &got.seqs, &got.ats)
	return got, err
}

var errUnsure = errors.New("the batch may have been written before")

// appendError is the error of a batch that the server refused. Nothing of the batch was
// written.
type appendError struct {
	batch *batch
	cause error
}

func (e *appendError) Error() string { return "append: " + e.cause.Error() }
func (e *appendError) Unwrap() error { return e.cause }

// appendParams holds the parameters of im_append_1. Those that most batches need are
// parallel arrays, which the server reads fastest. The others are sent as JSON.
type appendParams struct {
	ids      [][16]byte
	versions []int64

	// Of each event:
	conversation []int32 // index in ids, from 1
	types        []string
	senders      []string
	clientMsgIDs []string
	hashes       pgtype.FlatArray[[]byte]
	bodies       pgtype.FlatArray[[]byte]
	about        []int64 // the message that it replies to, or is about; 0: none

	mentions []mentionParam
	members  []memberParam
	updates  []updateParam
	targets  []targetParam

	// Only for im_append_moderated_1:
	sanctions []sanctionParam
	posters   []posterParam

	// Only for im_append_attached_1:
	attachments []attachmentParam
}

// The effects of events. Event is the index of the event, from 1. The names in JSON are
// those of the columns that im_append_1 reads.
type (
	mentionParam struct {
		Event  int           `json:"event"`
		UserID domain.UserID `json:"user_id"`
	}

	memberParam struct {
		Event  int           `json:"event"`
		UserID domain.UserID `json:"user_id"`
		Role   domain.Role   `json:"role"`
	}

	updateParam struct {
		Event        int     `json:"event"`
		SetTitle     bool    `json:"set_title"`
		Title        *string `json:"title"`
		SetAvatarURL bool    `json:"set_avatar_url"`
		AvatarURL    *string `json:"avatar_url"`
		Settings     *string `json:"settings"` // text; nil: unchanged
		SetMetadata  bool    `json:"set_metadata"`
		Metadata     *string `json:"metadata"` // text, so that the bytes are stored as they are
	}

	targetParam struct {
		Event    int    `json:"event"`
		Revision int64  `json:"revision"` // seq of the last edit or recall when the event was decided
		Emoji    string `json:"emoji"`    // of reactions
		Reacted  bool   `json:"reacted"`  // whether the sender had reacted with it then
	}

	sanctionParam struct {
		Event  int                 `json:"event"`
		Kind   domain.SanctionKind `json:"kind"`
		UserID domain.UserID       `json:"user_id"`
		Until  *domain.Time        `json:"until"`
		Reason string              `json:"reason"`
	}

	attachmentParam struct {
		Event        int                 `json:"event"`
		AttachmentID domain.AttachmentID `json:"attachment_id"`
	}

	posterParam struct {
		Conversation int           `json:"conversation"` // index in ids, from 1
		UserID       domain.UserID `json:"user_id"`
		PostedSeq    int64         `json:"posted_seq"` // of the last message when this one was decided
	}
)

func newAppendParams(b *batch) *appendParams {
	n := 0
	for _, g := range b.groups {
		n += g.drafts()
	}
	p := &appendParams{
		conversation: make([]int32, 0, n), types: make([]string, 0, n), senders: make([]string, 0, n),
		clientMsgIDs: make([]string, 0, n), hashes: make([][]byte, 0, n), bodies: make([][]byte, 0, n), about: make([]int64, 0, n),
	}
	for _, g := range b.groups {
		if g.isSilent() {
			continue
		}
		p.ids = append(p.ids, g.id)
		p.versions = append(p.versions, g.base.Version)
		last := g.lastEdits()
		for _, decided := range g.decisions {
			for i := range decided.drafts {
				d := &decided.drafts[i]
				p.addEvent(d)
				p.addEffects(d)
				if !d.Attachment.IsZero() {
					p.attachments = append(p.attachments, attachmentParam{Event: len(p.types), AttachmentID: d.Attachment})
				}
				if d.Target != 0 {
					p.addTarget(d, g.messages[d.Target])
				}
				if known, asked := g.posts[d.Sender]; asked && d.Type == domain.MessagePosted {
					p.posters = append(p.posters, posterParam{Conversation: len(p.ids), UserID: d.Sender, PostedSeq: known.Seq})
				}
				if d.Type == domain.MessagePosted || last[d.Target] == d {
					p.addMentions(d)
				}
			}
		}
	}
	return p
}

// isMessage reports whether the batch is one message without mentions and attachments,
// which im_append_message_1 appends.
func (p *appendParams) isMessage() bool {
	return len(p.types) == 1 && p.types[0] == string(domain.MessagePosted) && len(p.mentions) == 0 && len(p.attachments) == 0 && !p.isModerated()
}

// isModerated reports whether the batch needs im_append_moderated_1.
func (p *appendParams) isModerated() bool { return len(p.sanctions) > 0 || len(p.posters) > 0 }

// lastEdits returns the last edit or recall of each message in the group. The mentions
// of an edit before it are not stored.
func (g *group) lastEdits() map[int64]*domain.Draft {
	if len(g.messages) == 0 {
		return nil
	}
	last := map[int64]*domain.Draft{}
	for _, decided := range g.decisions {
		for i := range decided.drafts {
			if d := &decided.drafts[i]; d.Type == domain.MessageEdited || d.Type == domain.MessageRecalled {
				last[d.Target] = d
			}
		}
	}
	return last
}

func (p *appendParams) addEvent(d *domain.Draft) {
	var hash []byte
	if d.ClientMsgID != "" {
		hash = d.Hash[:]
	}
	about := d.ReplyTo
	if d.Target != 0 {
		about = d.Target
	}
	p.conversation = append(p.conversation, int32(len(p.ids)))
	p.types = append(p.types, string(d.Type))
	p.senders = append(p.senders, string(d.Sender))
	p.clientMsgIDs = append(p.clientMsgIDs, d.ClientMsgID)
	p.hashes = append(p.hashes, hash)
	p.bodies = append(p.bodies, d.Body)
	p.about = append(p.about, about)
}

// addEffects adds what the last event added does to members and to the conversation.
func (p *appendParams) addEffects(d *domain.Draft) {
	switch n := len(p.types); d.Type {
	case domain.MemberAdded, domain.MemberRemoved, domain.MemberRoleChanged:
		p.members = append(p.members, memberParam{Event: n, UserID: d.Member.UserID, Role: d.Member.Role})
	case domain.MemberBanned, domain.MemberUnbanned, domain.MemberMuted, domain.MemberUnmuted:
		s := d.Sanction
		p.sanctions = append(p.sanctions, sanctionParam{Event: n, Kind: d.Type.SanctionKind(), UserID: s.UserID, Until: s.Until, Reason: s.Reason})
	case domain.ConversationUpdated:
		u := d.Update
		var settings *string
		if u.Settings != nil {
			settings = new(pg.SettingsJSON(*u.Settings))
		}
		p.updates = append(p.updates, updateParam{
			Event:    n,
			SetTitle: u.Title.Set, Title: u.Title.Value,
			SetAvatarURL: u.AvatarURL.Set, AvatarURL: u.AvatarURL.Value,
			Settings:    settings,
			SetMetadata: u.Metadata.Set, Metadata: pg.NullableJSON(u.Metadata.Or(nil)),
		})
	}
}

// addTarget adds the state of the message on which the last event added was decided.
func (p *appendParams) addTarget(d *domain.Draft, m *domain.MessageState) {
	p.targets = append(p.targets, targetParam{
		Event: len(p.types), Revision: m.Revision, Emoji: d.Emoji,
		Reacted: m.Reactions[domain.Reactor{User: d.Sender, Emoji: d.Emoji}],
	})
}

// addMentions adds the mentions of the last event added.
func (p *appendParams) addMentions(d *domain.Draft) {
	for _, user := range d.Mentions {
		p.mentions = append(p.mentions, mentionParam{Event: len(p.types), UserID: user})
	}
}

// values returns the values of appendSQL, in its order.
func (p *appendParams) values(b *batch, node string) []any {
	return []any{
		[16]byte(b.id), node,
		p.ids, p.versions,
		p.conversation, p.types, p.senders, p.clientMsgIDs, p.hashes, p.bodies, p.about,
		arrayJSON(p.mentions), arrayJSON(p.members), arrayJSON(p.updates), arrayJSON(p.targets),
	}
}

// arrayJSON returns the list as a JSON array, or nil, SQL's null, if it is empty.
func arrayJSON[T any](list []T) *string {
	if len(list) == 0 {
		return nil
	}
	encoded, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	text := string(encoded)
	return &text
}
