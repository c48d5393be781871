package domain

import (
	"encoding/json"
	"strconv"

	"im/internal/strictjson"
)

// AppendJSON appends the view in the one shape that it has everywhere.
func (v *ConversationView) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"conversation_id":"`...)
	dst = v.ConversationID.AppendString(dst)
	dst = append(dst, `","kind":`...)
	dst = strictjson.AppendString(dst, string(v.Kind))
	dst = append(dst, `,"title":`...)
	dst = appendNullable(dst, v.Title)
	dst = append(dst, `,"avatar_url":`...)
	dst = appendNullable(dst, v.AvatarURL)
	dst = append(dst, `,"settings":`...)
	dst = v.Settings.appendJSON(dst)
	dst = append(dst, `,"metadata":`...)
	dst = appendRaw(dst, v.Metadata)
	dst = append(dst, `,"created_at":`...)
	dst = v.CreatedAt.AppendJSON(dst)
	dst = append(dst, `,"role":`...)
	dst = strictjson.AppendString(dst, string(v.Role))
	if v.Peer != "" {
		dst = append(dst, `,"peer":`...)
		dst = strictjson.AppendString(dst, string(v.Peer))
	}
	dst = appendField(dst, `,"member_count":`, int64(v.MemberCount))
	dst = appendField(dst, `,"head_seq":`, v.HeadSeq)
	dst = appendField(dst, `,"floor_seq":`, v.FloorSeq)
	dst = appendField(dst, `,"acked_seq":`, v.AckedSeq)
	dst = appendField(dst, `,"read_seq":`, v.ReadSeq)
	dst = appendField(dst, `,"unread_count":`, v.UnreadCount)
	dst = appendField(dst, `,"mention_count":`, v.MentionCount)
	dst = append(dst, `,"preferences":`...)
	dst = v.Preferences.appendJSON(dst)
	dst = append(dst, `,"last_message":`...)
	if v.LastMessage == nil {
		dst = append(dst, "null"...)
	} else {
		dst = v.LastMessage.AppendJSON(dst)
	}
	dst = append(dst, `,"events":`...)
	dst = AppendEvents(dst, v.Events)
	dst = append(dst, `,"limited":`...)
	return append(strconv.AppendBool(dst, v.Limited), '}')
}

// Size is about how many bytes the view takes on the wire.
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

// AppendJSON appends the message in the one shape that it has everywhere.
func (m *Message) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"conversation_id":"`...)
	dst = append(m.ConversationID.AppendString(dst), '"')
	dst = appendField(dst, `,"seq":`, m.Seq)
	dst = strictjson.AppendString(append(dst, `,"sender":`...), string(m.Sender))
	dst = strictjson.AppendString(append(dst, `,"client_msg_id":`...), m.ClientMsgID)
	dst = m.At.AppendJSON(append(dst, `,"at":`...))
	dst = appendRaw(append(dst, `,"content":`...), m.Content)
	if m.ReplyTo != 0 {
		dst = appendField(dst, `,"reply_to":`, m.ReplyTo)
	}
	if len(m.Mentions) > 0 {
		dst = append(dst, `,"mentions":`...)
		for i, user := range m.Mentions {
			dst = strictjson.AppendString(append(dst, "[,"[min(i, 1)]), string(user))
		}
		dst = append(dst, ']')
	}
	if len(m.Metadata) > 0 {
		dst = append(append(dst, `,"metadata":`...), m.Metadata...)
	}
	if m.EditedAt != nil {
		dst = m.EditedAt.AppendJSON(append(dst, `,"edited_at":`...))
	}
	dst = strconv.AppendBool(append(dst, `,"recalled":`...), m.Recalled)
	dst = append(dst, `,"reactions":[`...)
	for i := range m.Reactions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = m.Reactions[i].appendJSON(dst)
	}
	return append(strconv.AppendBool(append(dst, `],"pinned":`...), m.Pinned), '}')
}

func (r *Reaction) appendJSON(dst []byte) []byte {
	dst = strictjson.AppendString(append(dst, `{"emoji":`...), r.Emoji)
	dst = appendField(dst, `,"count":`, int64(r.Count))
	return append(strconv.AppendBool(append(dst, `,"mine":`...), r.Mine), '}')
}

func appendRaw(dst []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}
