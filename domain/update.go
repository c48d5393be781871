package domain

import (
	"bytes"
	"encoding/json"

	"im/internal/strictjson"
)

// SettingsPatch changes Settings; nil keeps a value.
type SettingsPatch struct {
	Posting  *string
	Joining  *string
	History  *string
	Receipts *bool
	// SlowModeS is 0 to MaxSlowModeS; 0 turns slow mode off.
	SlowModeS *int64
}

// MaxSlowModeS is the maximum of Settings.SlowModeS: a day.
const MaxSlowModeS = 86_400

// check returns ErrInvalid for unknown values; a nil patch is valid.
func (p *SettingsPatch) check() error {
	if p == nil {
		return nil
	}
	if p.Posting != nil && *p.Posting != PostingEveryone && *p.Posting != PostingAdmins && *p.Posting != PostingNobody {
		return Invalid("/settings/posting", "must be everyone, admins or nobody")
	}
	if p.SlowModeS != nil && (*p.SlowModeS < 0 || *p.SlowModeS > MaxSlowModeS) {
		return Invalid("/settings/slow_mode_s", "must be 0 to 86400")
	}
	if p.Joining != nil && *p.Joining != JoiningInvite && *p.Joining != JoiningOpen {
		return Invalid("/settings/joining", "must be invite or open")
	}
	if p.History != nil && *p.History != HistoryAll && *p.History != HistorySinceJoin {
		return Invalid("/settings/history", "must be all or since_join")
	}
	return nil
}

// apply returns s with the changes; a nil patch changes nothing.
func (p *SettingsPatch) apply(s Settings) Settings {
	if p == nil {
		return s
	}
	if p.Posting != nil {
		s.Posting = *p.Posting
	}
	if p.Joining != nil {
		s.Joining = *p.Joining
	}
	if p.History != nil {
		s.History = *p.History
	}
	if p.Receipts != nil {
		s.Receipts = *p.Receipts
	}
	if p.SlowModeS != nil {
		s.SlowModeS = int(*p.SlowModeS)
	}
	return s
}

// Changes is a request to change a group: a PATCH.
type Changes struct {
	Title     Field[string]          // at most Limits.TitleChars
	AvatarURL Field[string]          // at most Limits.URLChars
	Settings  *SettingsPatch         // nil keeps all
	Metadata  Field[json.RawMessage] // an object, at most Limits.MetadataBytes
}

func (c *Changes) check(limits Limits) error {
	if err := checkText("/title", c.Title.Value, limits.TitleChars); err != nil {
		return err
	}
	if err := checkText("/avatar_url", c.AvatarURL.Value, limits.URLChars); err != nil {
		return err
	}
	if err := c.Settings.check(); err != nil {
		return err
	}
	if c.Metadata.Value != nil {
		return checkMetadata(*c.Metadata.Value, limits)
	}
	return nil
}

// updateConversation is the command for checked Changes. Its event names only values
// that differ from the present ones.
type updateConversation struct {
	commandBase
	want Changes
}

var _ Command = (*updateConversation)(nil)

func (c *updateConversation) Size() int {
	size := 1024
	if c.want.Metadata.Value != nil {
		size += len(*c.want.Metadata.Value)
	}
	return size
}

func (c *updateConversation) Decide(conv *Conversation) ([]Draft, error) {
	role, err := c.role(conv)
	if err != nil {
		return nil, err
	}
	if !role.Moderates() {
		return nil, ErrForbidden.WithMessage("only the owner and admins may change the conversation")
	}
	var u UpdatedBody
	if c.want.Title.Set && !equal(conv.Title, c.want.Title.Value) {
		u.Title = c.want.Title
	}
	if c.want.AvatarURL.Set && !equal(conv.AvatarURL, c.want.AvatarURL.Value) {
		u.AvatarURL = c.want.AvatarURL
	}
	if s := c.want.Settings.apply(conv.Settings); s != conv.Settings {
		u.Settings = &s
	}
	if c.want.Metadata.Set && !sameJSON(conv.Metadata, c.want.Metadata.Value) {
		u.Metadata = c.want.Metadata
	}
	if u == (UpdatedBody{}) {
		return nil, nil
	}
	body, err := json.Marshal(u)
	if err != nil {
		return nil, ErrInternal.WithCause(err)
	}
	return []Draft{{Type: ConversationUpdated, Sender: c.actor.User, Body: body, Update: &u}}, nil
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameJSON reports whether two JSON texts have the same value; nil and empty stand for
// no value.
func sameJSON(a json.RawMessage, b *json.RawMessage) bool {
	if len(a) == 0 || b == nil {
		return len(a) == 0 && b == nil
	}
	return bytes.Equal(strictjson.AppendCanonical(nil, a), strictjson.AppendCanonical(nil, *b))
}

// Field is a member of a JSON object that may be absent: in a PATCH, absent keeps
// and null clears. Fields of this type need the JSON option omitzero.
type Field[T any] struct {
	Set   bool // false: absent, whatever Value is
	Value *T   // nil: null
}

// IsZero reports whether the field is absent; encoding/json omits it then.
func (f Field[T]) IsZero() bool { return !f.Set }

// Or returns the value, or null if there is none.
func (f Field[T]) Or(null T) T {
	if f.Value == nil {
		return null
	}
	return *f.Value
}

// MarshalJSON implements json.Marshaler.
func (f Field[T]) MarshalJSON() ([]byte, error) { return json.Marshal(f.Value) }

// UnmarshalJSON implements json.Unmarshaler. It is called for members that are
// there, null included.
func (f *Field[T]) UnmarshalJSON(text []byte) error {
	*f = Field[T]{Set: true}
	return json.Unmarshal(text, &f.Value)
}
