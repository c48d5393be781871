package domain

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"im/internal/strictjson"
)

// The files encode*.go hold the hand-written JSON encoders of the domain: of events,
// of messages, of the pages and views that contain them, and of the two bodies that
// hold a user's content. Time has its own in time.go. Everything else goes through
// encoding/json.
//
// There are two reasons:
//
//   - The content of a message is stored and delivered byte for byte as it was
//     sent. encoding/json compacts a json.RawMessage and escapes <, > and & in it.
//   - Speed. encoding/json passes over each stored body three times. It takes about
//     8 times as long for a page of 1,000 events, 4 times for 500 conversations of
//     a sync or 100 messages (BenchmarkEncode; see also docs/performance.md).
//
// Another JSON library would not make this code shorter: both jx and the
// jsontext package of encoding/json/v2 also write an object member by member.
//
// Members come in the order of the struct fields, with the same names and the
// same rules for what is left out; a property test compares the two encodings.
// Functions append to dst and return it, as strconv does.

// AppendJSON appends the event as it is encoded everywhere: in frames, in answers,
// and between nodes. Type and Sender hold no character that JSON escapes; Body is
// copied as it is.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"conversation_id":`...)
	dst = appendID(dst, e.ConversationID)
	dst = appendInt(append(dst, `,"seq":`...), e.Seq)
	dst = append(append(dst, `,"type":"`...), e.Type...)
	dst = append(append(dst, `","sender":"`...), e.Sender...)
	dst = append(dst, '"')
	if e.ClientMsgID != "" {
		dst = strictjson.AppendString(append(dst, `,"client_msg_id":`...), e.ClientMsgID)
	}
	dst = e.At.AppendJSON(append(dst, `,"at":`...))
	dst = append(append(dst, `,"body":`...), e.Body...)
	return append(dst, '}')
}

// MarshalJSON implements json.Marshaler.
func (e Event) MarshalJSON() ([]byte, error) {
	return e.AppendJSON(make([]byte, 0, e.Size())), nil
}

// Size estimates the bytes that the event takes in memory and on the wire.
func (e *Event) Size() int {
	return 192 + len(e.Sender) + len(e.ClientMsgID) + len(e.Body)
}

// AppendEvents appends a JSON array of events.
func AppendEvents(dst []byte, events []Event) []byte {
	return appendArray(dst, events, func(dst []byte, e *Event) []byte { return e.AppendJSON(dst) })
}

// contentPrefix is what precedes the content in the body of a posting.
const contentPrefix = `{"content":`

func (b *PostedBody) appendJSON(dst []byte) []byte {
	dst = append(append(dst, contentPrefix...), b.Content...)
	if b.ReplyTo != 0 {
		dst = appendInt(append(dst, `,"reply_to":`...), b.ReplyTo)
	}
	dst = appendMentions(dst, b.Mentions)
	if len(b.Metadata) > 0 {
		dst = append(append(dst, `,"metadata":`...), b.Metadata...)
	}
	return append(dst, '}')
}

func (b *EditedBody) appendJSON(dst []byte) []byte {
	dst = appendInt(append(dst, `{"target_seq":`...), b.TargetSeq)
	dst = append(append(dst, `,"content":`...), b.Content...)
	return append(appendMentions(dst, b.Mentions), '}')
}

// appendMentions appends the member "mentions", if there are any. User ids hold no
// character that JSON escapes.
func appendMentions(dst []byte, mentions []UserID) []byte {
	if len(mentions) == 0 {
		return dst
	}
	return appendArray(append(dst, `,"mentions":`...), mentions, func(dst []byte, user *UserID) []byte {
		return append(append(append(dst, '"'), *user...), '"')
	})
}

// AppendFields appends the members of the page, without the braces around them, so that
// a frame can add members of its own.
func (p *EventPage) AppendFields(dst []byte) []byte {
	dst = appendID(append(dst, `"conversation_id":`...), p.ConversationID)
	dst = strictjson.AppendString(append(dst, `,"epoch":`...), p.Epoch)
	dst = AppendEvents(append(dst, `,"events":`...), p.Events)
	dst = appendInt(append(dst, `,"from_seq":`...), p.FromSeq)
	dst = appendInt(append(dst, `,"to_seq":`...), p.ToSeq)
	dst = appendInt(append(dst, `,"head_seq":`...), p.HeadSeq)
	dst = appendInt(append(dst, `,"floor_seq":`...), p.FloorSeq)
	dst = strconv.AppendBool(append(dst, `,"has_more":`...), p.HasMore)
	return appendProfiles(append(dst, `,"users":`...), p.Users)
}

// Size estimates the bytes that the page takes on the wire.
func (p *EventPage) Size() int {
	n := 512 + 128*len(p.Users)
	for i := range p.Events {
		n += p.Events[i].Size()
	}
	return n
}

// AppendFields appends the members of the page; see EventPage.AppendFields.
func (p *SyncPage) AppendFields(dst []byte) []byte {
	dst = strictjson.AppendString(append(dst, `"epoch":`...), p.Epoch)
	dst = appendArray(append(dst, `,"conversations":`...), p.Conversations, func(dst []byte, v *ConversationView) []byte {
		return v.AppendJSON(dst)
	})
	dst = appendArray(append(dst, `,"removed":`...), p.Removed, func(dst []byte, id *ConversationID) []byte {
		return appendID(dst, *id)
	})
	dst = appendProfiles(append(dst, `,"users":`...), p.Users)
	dst = strictjson.AppendString(append(dst, `,"cursor":`...), p.Cursor)
	dst = strconv.AppendBool(append(dst, `,"done":`...), p.Done)
	if p.UnreadTotal != nil {
		dst = appendInt(append(dst, `,"unread_total":`...), *p.UnreadTotal)
	}
	return dst
}

// Size estimates the bytes that the page takes on the wire.
func (p *SyncPage) Size() int {
	n := 512 + 40*len(p.Removed) + 128*len(p.Users)
	for i := range p.Conversations {
		n += p.Conversations[i].Size()
	}
	return n
}

// AppendFields appends the members of the page; see EventPage.AppendFields.
func (p *MessagePage) AppendFields(dst []byte) []byte {
	dst = appendArray(append(dst, `"messages":`...), p.Messages, func(dst []byte, m *Message) []byte {
		return m.AppendJSON(dst)
	})
	dst = appendInt(append(dst, `,"head_seq":`...), p.HeadSeq)
	dst = appendInt(append(dst, `,"floor_seq":`...), p.FloorSeq)
	dst = strconv.AppendBool(append(dst, `,"has_more_before":`...), p.HasMoreBefore)
	dst = strconv.AppendBool(append(dst, `,"has_more_after":`...), p.HasMoreAfter)
	return appendProfiles(append(dst, `,"users":`...), p.Users)
}

// Size estimates the bytes that the page takes on the wire.
func (p *MessagePage) Size() int {
	n := 512 + 128*len(p.Users)
	for i := range p.Messages {
		n += p.Messages[i].Size()
	}
	return n
}

func appendProfiles(dst []byte, users map[UserID]Profile) []byte {
	dst = append(dst, '{')
	for i, user := range slices.Sorted(maps.Keys(users)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		p := users[user]
		dst = strictjson.AppendString(dst, string(user))
		dst = appendNullable(append(dst, `:{"name":`...), p.Name)
		dst = append(appendNullable(append(dst, `,"avatar_url":`...), p.AvatarURL), '}')
	}
	return append(dst, '}')
}

func appendArray[T any](dst []byte, items []T, appendItem func([]byte, *T) []byte) []byte {
	dst = append(dst, '[')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendItem(dst, &items[i])
	}
	return append(dst, ']')
}

func appendID(dst []byte, id ConversationID) []byte {
	return append(id.AppendString(append(dst, '"')), '"')
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendNullable(dst []byte, text *string) []byte {
	if text == nil {
		return append(dst, "null"...)
	}
	return strictjson.AppendString(dst, *text)
}

func appendRaw(dst []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

// AppendJSON appends the view as pages of a sync and frames encode it.
func (v *ConversationView) AppendJSON(dst []byte) []byte {
	dst = appendID(append(dst, `{"conversation_id":`...), v.ConversationID)
	dst = strictjson.AppendString(append(dst, `,"kind":`...), string(v.Kind))
	dst = appendNullable(append(dst, `,"title":`...), v.Title)
	dst = appendNullable(append(dst, `,"avatar_url":`...), v.AvatarURL)
	dst = v.Settings.appendJSON(append(dst, `,"settings":`...))
	dst = appendRaw(append(dst, `,"metadata":`...), v.Metadata)
	dst = v.CreatedAt.AppendJSON(append(dst, `,"created_at":`...))
	dst = v.ActiveAt.AppendJSON(append(dst, `,"active_at":`...))
	dst = strictjson.AppendString(append(dst, `,"role":`...), string(v.Role))
	if v.Peer != "" {
		dst = strictjson.AppendString(append(dst, `,"peer":`...), string(v.Peer))
	}
	dst = appendInt(append(dst, `,"member_count":`...), int64(v.MemberCount))
	dst = appendInt(append(dst, `,"head_seq":`...), v.HeadSeq)
	dst = appendInt(append(dst, `,"floor_seq":`...), v.FloorSeq)
	dst = appendInt(append(dst, `,"acked_seq":`...), v.AckedSeq)
	dst = appendInt(append(dst, `,"read_seq":`...), v.ReadSeq)
	dst = appendInt(append(dst, `,"unread_count":`...), v.UnreadCount)
	dst = appendInt(append(dst, `,"mention_count":`...), v.MentionCount)
	dst = v.Preferences.appendJSON(append(dst, `,"preferences":`...))
	dst = append(dst, `,"last_message":`...)
	if v.LastMessage == nil {
		dst = append(dst, "null"...)
	} else {
		dst = v.LastMessage.AppendJSON(dst)
	}
	dst = AppendEvents(append(dst, `,"events":`...), v.Events)
	return append(strconv.AppendBool(append(dst, `,"limited":`...), v.Limited), '}')
}

// Size estimates the bytes that the view takes on the wire.
func (v *ConversationView) Size() int {
	n := 816 + len(v.Metadata)
	for _, text := range []*string{v.Title, v.AvatarURL} {
		if text != nil {
			n += len(*text)
		}
	}
	for i := range v.Events {
		n += v.Events[i].Size()
	}
	if v.LastMessage != nil {
		n += v.LastMessage.Size()
	}
	return n
}

func (s *Settings) appendJSON(dst []byte) []byte {
	dst = strictjson.AppendString(append(dst, `{"posting":`...), s.Posting)
	dst = strictjson.AppendString(append(dst, `,"joining":`...), s.Joining)
	dst = strictjson.AppendString(append(dst, `,"history":`...), s.History)
	dst = strconv.AppendBool(append(dst, `,"receipts":`...), s.Receipts)
	if s.SlowModeS != 0 {
		dst = appendInt(append(dst, `,"slow_mode_s":`...), int64(s.SlowModeS))
	}
	return append(dst, '}')
}

func (p *Preferences) appendJSON(dst []byte) []byte {
	dst = strictjson.AppendString(append(dst, `{"notify":`...), p.Notify)
	dst = strconv.AppendBool(append(dst, `,"pinned":`...), p.Pinned)
	return append(strconv.AppendBool(append(dst, `,"archived":`...), p.Archived), '}')
}

// AppendJSON appends the message as pages encode it.
func (m *Message) AppendJSON(dst []byte) []byte {
	dst = appendID(append(dst, `{"conversation_id":`...), m.ConversationID)
	dst = appendInt(append(dst, `,"seq":`...), m.Seq)
	dst = strictjson.AppendString(append(dst, `,"sender":`...), string(m.Sender))
	dst = strictjson.AppendString(append(dst, `,"client_msg_id":`...), m.ClientMsgID)
	dst = m.At.AppendJSON(append(dst, `,"at":`...))
	dst = appendRaw(append(dst, `,"content":`...), m.Content)
	if m.ReplyTo != 0 {
		dst = appendInt(append(dst, `,"reply_to":`...), m.ReplyTo)
	}
	dst = appendMentions(dst, m.Mentions)
	if len(m.Metadata) > 0 {
		dst = append(append(dst, `,"metadata":`...), m.Metadata...)
	}
	if m.EditedAt != nil {
		dst = m.EditedAt.AppendJSON(append(dst, `,"edited_at":`...))
	}
	dst = strconv.AppendBool(append(dst, `,"recalled":`...), m.Recalled)
	dst = appendArray(append(dst, `,"reactions":`...), m.Reactions, func(dst []byte, r *Reaction) []byte {
		return r.appendJSON(dst)
	})
	return append(strconv.AppendBool(append(dst, `,"pinned":`...), m.Pinned), '}')
}

func (r *Reaction) appendJSON(dst []byte) []byte {
	dst = strictjson.AppendString(append(dst, `{"emoji":`...), r.Emoji)
	dst = appendInt(append(dst, `,"count":`...), int64(r.Count))
	return append(strconv.AppendBool(append(dst, `,"mine":`...), r.Mine), '}')
}

// Size estimates the bytes that the message takes on the wire.
func (m *Message) Size() int {
	n := 320 + len(m.Sender) + len(m.ClientMsgID) + len(m.Content) + len(m.Metadata)
	for _, user := range m.Mentions {
		n += len(user) + 3
	}
	for _, r := range m.Reactions {
		n += 48 + len(r.Emoji)
	}
	return n
}
