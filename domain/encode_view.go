package domain

import (
	"strconv"

	"im/internal/strictjson"
)

// AppendJSON appends the view as pages of a sync and frames encode it.
func (v *ConversationView) AppendJSON(dst []byte) []byte {
	dst = appendID(append(dst, `{"conversation_id":`...), v.ConversationID)
	dst = strictjson.AppendString(append(dst, `,"kind":`...), string(v.Kind))
	dst = appendNullable(append(dst, `,"title":`...), v.Title)
	dst = appendNullable(append(dst, `,"avatar_url":`...), v.AvatarURL)
	dst = v.Settings.appendJSON(append(dst, `,"settings":`...))
	dst = appendRaw(append(dst, `,"metadata":`...), v.Metadata)
	dst = v.CreatedAt.AppendJSON(append(dst, `,"created_at":`...))
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
	n := 768 + len(v.Metadata)
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
	return append(strconv.AppendBool(append(dst, `,"receipts":`...), s.Receipts), '}')
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
