package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// Fold is the result of all events of one conversation. Every stored projection must
// be equal to it (I7); verification and repair compare them. The zero Fold is that of
// an empty log. Read positions, preferences and blocks are not events, and not in it.
//
// It takes two bits of memory for each event (messageCounter). The rest grows with the
// members, the edited and recalled messages, and the current mentions, reactions and
// pins, but not with the size of messages. Maps of messages have their seq as the key.
type Fold struct {
	ID          ConversationID
	Kind        Kind
	Creator     UserID  // sender of the first event
	Title       *string // nil: none
	AvatarURL   *string // nil: none
	Settings    Settings
	Metadata    json.RawMessage // an object or null
	CreatedAt   Time            // of the first event
	LastAt      Time            // of the last event
	Head        int64           // seq of the last event
	Version     int64           // seq of the last event that ChangesState
	LastMessage int64           // seq of the last message; 0: none
	LastPosted  Time            // of the last message; the zero Time: none
	DirectKey   string          // see DirectKey; "" for groups

	Members   map[UserID]FoldedMember      // current and former members
	Revisions map[int64]FoldedRevisions    // of the messages that were edited or recalled
	Mentions  map[int64]FoldedMentions     // of the messages that have mentions now
	Reactions map[FoldedReactor]FoldedMark // current ones
	Pins      map[int64]FoldedMark         // of the messages that are pinned now
	// Attachments are those that each message names, in its posting or in an edit, sorted;
	// of messages that name some, and are not recalled.
	Attachments map[int64][]AttachmentID
	Bans        map[UserID]FoldedSanction // current ones, those that have ended by themselves included
	Mutes       map[UserID]FoldedSanction // the same for mutes

	counter messageCounter
}

// FoldedMember is a current or former member.
type FoldedMember struct {
	Role   Role  // of a former member: when it left
	Joined int64 // seq of the latest joining
	Left   int64 // seq of the leaving; 0: a current member
	// Read is the lower bound of the read position: the seq of the latest joining or
	// of the member's own last message, whichever is higher.
	Read int64
	// Posted is the seq of the member's own last message; 0: none.
	Posted int64
}

// FoldedRevisions are the seqs of the last edit and of the recall of a message; 0 for
// none.
type FoldedRevisions struct{ Edited, Recalled int64 }

// Revision returns the seq of the last change of the message.
func (t FoldedRevisions) Revision() int64 { return max(t.Edited, t.Recalled) }

// FoldedMentions are the current mentions of a message.
type FoldedMentions struct {
	Sender UserID   // of the message or of its last edit
	Users  []UserID // sorted, without repetition; may hold Everyone
}

// FoldedReactor is the key of a reaction: a user reacts to a message once with each
// emoji.
type FoldedReactor struct {
	Target int64 // seq of the message
	Emoji  string
	User   UserID
}

// FoldedMark is the event that added a reaction or a pin.
type FoldedMark struct {
	Seq  int64 // of the event
	At   Time
	User UserID // its sender
}

// FoldedSanction is a ban or a mute, and the event that began or changed it last.
type FoldedSanction struct {
	FoldedMark
	Until  Time // the zero Time: it has no end
	Reason string
}

// ErrLogHole means that a log lacks an event, or does not begin with the creation of
// the conversation.
var ErrLogHole = errors.New("the log has a hole")

// Apply adds the next event. It returns ErrLogHole if e does not have the next seq,
// and another error if the body does not fit the type. After an error the fold is
// unchanged. An event of an unknown type, which a later version may have written,
// changes only Head, LastAt and Version.
func (f *Fold) Apply(e *Event) error {
	if e.Seq != f.Head+1 || (e.Seq == 1) != (e.Type == ConversationCreated) {
		return fmt.Errorf("%w: seq %d, %s, after %d", ErrLogHole, e.Seq, e.Type, f.Head)
	}
	if err := f.apply(e); err != nil {
		return fmt.Errorf("seq %d, %s: the body cannot be read", e.Seq, e.Type) // without the cause, which may quote content
	}
	f.Head, f.LastAt = e.Seq, e.At
	if e.Type.ChangesState() {
		f.Version = e.Seq
	}
	f.counter.add(e.Seq, e.Type == MessagePosted)
	if e.Type == MessagePosted {
		f.LastMessage, f.LastPosted = e.Seq, e.At
	}
	return nil
}

// apply changes what depends on the body of e. Apply does the rest.
func (f *Fold) apply(e *Event) error {
	switch e.Type {
	case ConversationCreated:
		return f.create(e)
	case ConversationUpdated:
		return f.update(e)
	case MemberAdded, MemberRemoved, MemberRoleChanged:
		return f.changeMember(e)
	case MessagePosted:
		return f.post(e)
	case MessageEdited, MessageRecalled:
		return f.revise(e)
	case ReactionAdded, ReactionRemoved:
		return f.react(e)
	case MessagePinned, MessageUnpinned:
		return f.pin(e)
	case MemberBanned, MemberUnbanned, MemberMuted, MemberUnmuted:
		return f.sanction(e)
	}
	return nil // an unknown type: see Apply
}

func (f *Fold) create(e *Event) error {
	var body CreatedBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	*f = Fold{
		ID: e.ConversationID, Kind: body.Kind, Creator: e.Sender, CreatedAt: e.At,
		Title: body.Title, AvatarURL: body.AvatarURL, Settings: body.Settings, Metadata: body.Metadata,
		Members: make(map[UserID]FoldedMember, len(body.Members)), Revisions: map[int64]FoldedRevisions{},
		Mentions: map[int64]FoldedMentions{}, Reactions: map[FoldedReactor]FoldedMark{}, Pins: map[int64]FoldedMark{},
		Attachments: map[int64][]AttachmentID{},
		Bans:        map[UserID]FoldedSanction{}, Mutes: map[UserID]FoldedSanction{},
	}
	for _, m := range body.Members {
		f.Members[m.UserID] = FoldedMember{Role: m.Role, Joined: e.Seq, Read: e.Seq}
	}
	if body.Kind == Direct && len(body.Members) == 2 {
		f.DirectKey = DirectKey(body.Members[0].UserID, body.Members[1].UserID)
	}
	return nil
}

func (f *Fold) update(e *Event) error {
	var body UpdatedBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	if body.Title.Set {
		f.Title = body.Title.Value
	}
	if body.AvatarURL.Set {
		f.AvatarURL = body.AvatarURL.Value
	}
	if body.Settings != nil {
		f.Settings = *body.Settings
	}
	if body.Metadata.Set {
		f.Metadata = body.Metadata.Or(json.RawMessage("null"))
	}
	return nil
}

func (f *Fold) changeMember(e *Event) error {
	var body MemberRole
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	m := f.Members[body.UserID]
	m.Role = body.Role
	switch e.Type {
	case MemberAdded:
		m.Joined, m.Left, m.Read = e.Seq, 0, e.Seq
	case MemberRemoved:
		m.Left = e.Seq
	}
	f.Members[body.UserID] = m
	return nil
}

func (f *Fold) post(e *Event) error {
	var body struct {
		Mentions []UserID `json:"mentions"`
	}
	if bytes.Contains(e.Body, []byte(`"mentions"`)) {
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return err
		}
	}
	f.setMentions(e.Seq, e.Sender, body.Mentions)
	if err := f.addAttachment(e.Seq, e.Body); err != nil {
		return err
	}
	if m, ok := f.Members[e.Sender]; ok && m.Left == 0 {
		m.Read, m.Posted = e.Seq, e.Seq
		f.Members[e.Sender] = m
	}
	return nil
}

// addAttachment adds the attachment that the content of a body names, if it names one. The
// content is as it was sent, so the name of its member may be escaped.
func (f *Fold) addAttachment(seq int64, raw json.RawMessage) error {
	if !bytes.Contains(raw, []byte(`"attachment_id"`)) && !bytes.Contains(raw, []byte(`\u`)) {
		return nil
	}
	var body struct {
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return err
	}
	id := attachmentIn(body.Content)
	if at, known := slices.BinarySearchFunc(f.Attachments[seq], id, compareAttachments); !id.IsZero() && !known {
		f.Attachments[seq] = slices.Insert(f.Attachments[seq], at, id)
	}
	return nil
}

func compareAttachments(a, b AttachmentID) int { return bytes.Compare(a[:], b[:]) }

func (f *Fold) setMentions(seq int64, sender UserID, users []UserID) {
	delete(f.Mentions, seq)
	if len(users) > 0 {
		f.Mentions[seq] = FoldedMentions{sender, distinct(users)}
	}
}

func (f *Fold) revise(e *Event) error {
	var body struct {
		TargetSeq int64    `json:"target_seq"`
		Mentions  []UserID `json:"mentions"` // of an edit
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	t := f.Revisions[body.TargetSeq]
	if e.Type == MessageRecalled {
		t.Recalled = e.Seq
		delete(f.Attachments, body.TargetSeq)
	} else {
		if err := f.addAttachment(body.TargetSeq, e.Body); err != nil {
			return err
		}
		t.Edited = e.Seq
	}
	f.Revisions[body.TargetSeq] = t
	f.setMentions(body.TargetSeq, e.Sender, body.Mentions)
	return nil
}

func (f *Fold) react(e *Event) error {
	var body ReactionBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	key := FoldedReactor{body.TargetSeq, NormalizeEmoji(body.Emoji), e.Sender}
	if e.Type == ReactionAdded {
		f.Reactions[key] = FoldedMark{e.Seq, e.At, e.Sender}
	} else {
		delete(f.Reactions, key)
	}
	return nil
}

func (f *Fold) pin(e *Event) error {
	var body PinBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	if e.Type == MessagePinned {
		f.Pins[body.TargetSeq] = FoldedMark{e.Seq, e.At, e.Sender}
	} else {
		delete(f.Pins, body.TargetSeq)
	}
	return nil
}

func (f *Fold) sanction(e *Event) error {
	var body SanctionBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	kind := e.Type.SanctionKind()
	list := f.Sanctions(kind)
	if e.Type == kind.ends() {
		delete(list, body.UserID)
		return nil
	}
	s := FoldedSanction{FoldedMark: FoldedMark{e.Seq, e.At, e.Sender}, Reason: body.Reason}
	if body.Until != nil {
		s.Until = *body.Until
	}
	list[body.UserID] = s
	return nil
}

// Sanctions returns the bans or the mutes.
func (f *Fold) Sanctions(kind SanctionKind) map[UserID]FoldedSanction {
	if kind == Ban {
		return f.Bans
	}
	return f.Mutes
}

// MessageCount returns the number of messages, recalled ones included.
func (f *Fold) MessageCount() int64 { return f.counter.upTo(f.Head) }

// MessageNo returns the number of messages up to and including seq.
func (f *Fold) MessageNo(seq int64) int64 { return f.counter.upTo(min(seq, f.Head)) }

// MemberCount returns the number of current members.
func (f *Fold) MemberCount() int {
	n := 0
	for _, m := range f.Members {
		if m.Left == 0 {
			n++
		}
	}
	return n
}

// Users returns the current and former members, sorted.
func (f *Fold) Users() []UserID { return slices.Sorted(maps.Keys(f.Members)) }

// TargetOf returns the seq of the message that e is about: for edits, recalls, reactions
// and pins. It is 0 for events of other types. The log stores it with the event, so that
// the events about a message can be found.
func TargetOf(e *Event) (int64, error) {
	switch e.Type {
	case MessageEdited, MessageRecalled, ReactionAdded, ReactionRemoved, MessagePinned, MessageUnpinned:
	default:
		return 0, nil
	}
	var body PinBody
	err := json.Unmarshal(e.Body, &body)
	return body.TargetSeq, err
}

// messageCounter counts the messages of a conversation up to any seq. It takes two
// bits for each seq: each block has one bit for each of its seqs, set for messages, and the
// number of messages in all blocks before it.
type messageCounter struct{ blocks []countBlock }

// countBlock is the part of a messageCounter for seqsPerBlock seqs.
type countBlock struct {
	before   int64  // messages in earlier blocks
	messages uint64 // bit i: the seq with remainder i is a message
}

const seqsPerBlock = 64

// add adds the next seq. Seqs are added in ascending order.
func (n *messageCounter) add(seq int64, message bool) {
	for int64(len(n.blocks)) <= seq/seqsPerBlock {
		var next countBlock
		if last := len(n.blocks) - 1; last >= 0 {
			next.before = n.blocks[last].before + int64(bits.OnesCount64(n.blocks[last].messages))
		}
		n.blocks = append(n.blocks, next)
	}
	if message {
		n.blocks[seq/seqsPerBlock].messages |= 1 << (seq % seqsPerBlock)
	}
}

// upTo returns the number of messages among the seqs up to and including seq, which
// must have been added, or be 0.
func (n *messageCounter) upTo(seq int64) int64 {
	if seq <= 0 {
		return 0
	}
	b := n.blocks[seq/seqsPerBlock]
	return b.before + int64(bits.OnesCount64(b.messages<<(seqsPerBlock-1-seq%seqsPerBlock)))
}
