package domain

import (
	"maps"
	"slices"
	"strconv"

	"im/internal/strictjson"
)

// Pages are appended by hand: encoding/json would go three times through every
// stored body, which is JSON already, and take the white space out of it. Fields
// come in the order of the structs.

// AppendFields appends the fields of the page, without the braces around them.
func (p *EventPage) AppendFields(dst []byte) []byte {
	dst = append(dst, `"conversation_id":"`...)
	dst = p.ConversationID.AppendString(dst)
	dst = append(dst, `","epoch":`...)
	dst = strictjson.AppendString(dst, p.Epoch)
	dst = append(dst, `,"events":`...)
	dst = AppendEvents(dst, p.Events)
	dst = appendField(dst, `,"from_seq":`, p.FromSeq)
	dst = appendField(dst, `,"to_seq":`, p.ToSeq)
	dst = appendField(dst, `,"head_seq":`, p.HeadSeq)
	dst = appendField(dst, `,"floor_seq":`, p.FloorSeq)
	dst = append(dst, `,"has_more":`...)
	dst = strconv.AppendBool(dst, p.HasMore)
	dst = append(dst, `,"users":`...)
	return appendProfiles(dst, p.Users)
}

// Size is about how many bytes the page takes on the wire.
func (p *EventPage) Size() int {
	n := 512 + 128*len(p.Users)
	for i := range p.Events {
		n += p.Events[i].Size()
	}
	return n
}

// AppendFields appends the fields of the page, without the braces around them.
func (p *SyncPage) AppendFields(dst []byte) []byte {
	dst = append(dst, `"epoch":`...)
	dst = strictjson.AppendString(dst, p.Epoch)
	dst = append(dst, `,"conversations":[`...)
	for i := range p.Conversations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.Conversations[i].AppendJSON(dst)
	}
	dst = append(dst, `],"removed":[`...)
	for i, id := range p.Removed {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(id.AppendString(append(dst, '"')), '"')
	}
	dst = append(dst, `],"users":`...)
	dst = appendProfiles(dst, p.Users)
	dst = append(dst, `,"cursor":`...)
	dst = strictjson.AppendString(dst, p.Cursor)
	dst = append(dst, `,"done":`...)
	dst = strconv.AppendBool(dst, p.Done)
	if p.UnreadTotal != nil {
		dst = appendField(dst, `,"unread_total":`, *p.UnreadTotal)
	}
	return dst
}

// Size is about how many bytes the page takes on the wire.
func (p *SyncPage) Size() int {
	n := 512 + 40*len(p.Removed) + 128*len(p.Users)
	for i := range p.Conversations {
		n += p.Conversations[i].Size()
	}
	return n
}

// AppendFields appends the fields of the page, without the braces around them.
func (p *MessagePage) AppendFields(dst []byte) []byte {
	dst = append(dst, `"messages":[`...)
	for i := range p.Messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.Messages[i].AppendJSON(dst)
	}
	dst = appendField(dst, `],"head_seq":`, p.HeadSeq)
	dst = appendField(dst, `,"floor_seq":`, p.FloorSeq)
	dst = strconv.AppendBool(append(dst, `,"has_more_before":`...), p.HasMoreBefore)
	dst = strconv.AppendBool(append(dst, `,"has_more_after":`...), p.HasMoreAfter)
	return appendProfiles(append(dst, `,"users":`...), p.Users)
}

// Size is about how many bytes the page takes on the wire.
func (p *MessagePage) Size() int {
	n := 512 + 128*len(p.Users)
	for i := range p.Messages {
		n += p.Messages[i].Size()
	}
	return n
}

// AppendEvents appends an array of events.
func AppendEvents(dst []byte, events []Event) []byte {
	dst = append(dst, '[')
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = events[i].AppendJSON(dst)
	}
	return append(dst, ']')
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

func appendField(dst []byte, name string, n int64) []byte { return appendInt(append(dst, name...), n) }

func appendNullable(dst []byte, text *string) []byte {
	if text == nil {
		return append(dst, "null"...)
	}
	return strictjson.AppendString(dst, *text)
}
