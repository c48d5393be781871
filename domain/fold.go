package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Fold is what the log of one conversation says: the value that every projection
// of its events has to have (I7). The zero Fold is that of an empty log. Reads,
// preferences and blocks are not in it; no event tells of them.
//
// Messages take two bits each, whatever they say; the rest grows with members,
// mentions, reactions and pins that stand.
type Fold struct {
	ID        ConversationID
	Kind      Kind
	Creator   UserID
	Title     *string
	AvatarURL *string
	Settings  Settings
	Metadata  json.RawMessage
	CreatedAt Time
	LastAt    Time
	Head      int64
	// Version is the seq of the last event that decisions depend on.
	Version     int64
	LastMessage int64 // its seq; 0: none
	// DirectKey is "" for groups.
	DirectKey string

	Members   map[UserID]FoldedMember   // former ones too
	Touches   map[int64]FoldedRevisions // of the messages that were edited or recalled
	Mentions  map[int64]FoldedMentions
	Reactions map[FoldedReactor]FoldedMark
	Pins      map[int64]FoldedMark

	numbers numbering
}

// FoldedMember is a member, or who was one.
type FoldedMember struct {
	Role   Role
	Joined int64 // the latest time
	Left   int64 // 0: a member
	// Read is the least that a read position can be: that of the joining, or of the
	// member's own last posting.
	Read int64
}

// FoldedRevisions are the last edit and the recall of a message; 0: none.
type FoldedRevisions struct{ Edited, Recalled int64 }

// Revision is the later of the two.
func (t FoldedRevisions) Revision() int64 { return max(t.Edited, t.Recalled) }

// FoldedMentions are whom a message mentions as it stands, ascending.
type FoldedMentions struct {
	Sender UserID
	Users  []UserID
}

// FoldedReactor is what there is one reaction of.
type FoldedReactor struct {
	Target int64
	Emoji  string
	User   UserID
}

// FoldedMark is the event that made a reaction or a pin.
type FoldedMark struct {
	Seq  int64
	At   Time
	User UserID
}

// ErrLogHole says that a log lacks an event, or does not begin with the creation
// of the conversation.
var ErrLogHole = errors.New("the log has a hole")

// Apply moves the fold by the next event. ErrLogHole if it is another one; an
// error too when the body is not one of the event's type. The fold is as it was
// after an error.
func (f *Fold) Apply(e *Event) error {
	if e.Seq != f.Head+1 || (e.Seq == 1) != (e.Type == ConversationCreated) {
		return fmt.Errorf("%w: seq %d, %s, after %d", ErrLogHole, e.Seq, e.Type, f.Head)
	}
	if err := f.apply(e); err != nil {
		return fmt.Errorf("seq %d, %s: the body cannot be read", e.Seq, e.Type) // the cause may quote it
	}
	f.Head, f.LastAt = e.Seq, e.At
	if e.Type.ChangesState() {
		f.Version = e.Seq
	}
	f.numbers.add(e.Seq, e.Type == MessagePosted)
	if e.Type == MessagePosted {
		f.LastMessage = e.Seq
	}
	return nil
}

func (f *Fold) apply(e *Event) error {
	switch e.Type {
	case ConversationCreated:
		return f.create(e)
	case ConversationUpdated:
		return f.update(e)
	case MemberAdded, MemberRemoved, MemberRoleChanged:
		return f.move(e)
	case MessagePosted:
		return f.post(e)
	case MessageEdited, MessageRecalled:
		return f.touch(e)
	case ReactionAdded, ReactionRemoved:
		return f.react(e)
	case MessagePinned, MessageUnpinned:
		return f.pin(e)
	}
	return nil // of a later version: it takes its seq
}

func (f *Fold) create(e *Event) error {
	var body CreatedBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	*f = Fold{
		ID: e.ConversationID, Kind: body.Kind, Creator: e.Sender, CreatedAt: e.At,
		Title: body.Title, AvatarURL: body.AvatarURL, Settings: body.Settings, Metadata: body.Metadata,
		Members: make(map[UserID]FoldedMember, len(body.Members)), Touches: map[int64]FoldedRevisions{},
		Mentions: map[int64]FoldedMentions{}, Reactions: map[FoldedReactor]FoldedMark{}, Pins: map[int64]FoldedMark{},
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

func (f *Fold) move(e *Event) error {
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
	f.mention(e.Seq, e.Sender, body.Mentions)
	if m, ok := f.Members[e.Sender]; ok && m.Left == 0 {
		m.Read = e.Seq
		f.Members[e.Sender] = m
	}
	return nil
}

func (f *Fold) mention(seq int64, sender UserID, users []UserID) {
	delete(f.Mentions, seq)
	if len(users) > 0 {
		f.Mentions[seq] = FoldedMentions{sender, distinct(users)}
	}
}

func (f *Fold) touch(e *Event) error {
	var body struct {
		TargetSeq int64    `json:"target_seq"`
		Mentions  []UserID `json:"mentions"` // those of an edit
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	t := f.Touches[body.TargetSeq]
	if e.Type == MessageRecalled {
		t.Recalled = e.Seq
	} else {
		t.Edited = e.Seq
	}
	f.Touches[body.TargetSeq] = t
	f.mention(body.TargetSeq, e.Sender, body.Mentions)
	return nil
}

func (f *Fold) react(e *Event) error {
	var body ReactionBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	key := FoldedReactor{body.TargetSeq, body.Emoji, e.Sender}
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

// MessageCount returns how many messages were posted, recalled ones included.
func (f *Fold) MessageCount() int64 { return f.numbers.upTo(f.Head) }

// MessageNo returns how many messages were posted up to and including seq.
func (f *Fold) MessageNo(seq int64) int64 { return f.numbers.upTo(min(seq, f.Head)) }

// MemberCount returns how many members there are now.
func (f *Fold) MemberCount() int {
	n := 0
	for _, m := range f.Members {
		if m.Left == 0 {
			n++
		}
	}
	return n
}

// Users returns the members and the former ones, ascending.
func (f *Fold) Users() []UserID { return slices.Sorted(maps.Keys(f.Members)) }

// TargetOf returns the seq of the message that an event is about, 0 for one that
// is about none, as events are found by it.
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
