package wire

import (
	"strconv"

	"im/domain"
	"im/internal/strictjson"
)

// The frames below are as frequent as events, or large. They are appended by
// hand because encoding/json would take several times as long.

// Event returns the frame that pushes an event.
func Event(e *domain.Event) Frame {
	buf := append(newPayload(e.Size()+32), `{"type":"event","event":`...)
	return seal(opText, append(e.AppendJSON(buf), '}'))
}

// Sent returns the answer to the send request id.
func Sent(id string, sent *domain.Sent) Frame {
	e := &sent.Event
	buf := append(newPayload(192+len(id)+len(e.ClientMsgID)+len(sent.Content)), `{"type":"sent","id":`...)
	buf = append(strictjson.AppendString(buf, id), `,"conversation_id":"`...)
	buf = append(e.ConversationID.AppendString(buf), `","client_msg_id":`...)
	buf = append(strictjson.AppendString(buf, e.ClientMsgID), `,"seq":`...)
	buf = append(strconv.AppendInt(buf, e.Seq, 10), `,"at":`...)
	buf = append(e.At.AppendJSON(buf), `,"duplicate":`...)
	buf = strconv.AppendBool(buf, sent.Duplicate)
	if sent.Content != nil {
		buf = append(append(buf, `,"content":`...), sent.Content...)
	}
	return seal(opText, append(buf, '}'))
}

// Page returns the answer to the pull request id.
func Page(id string, p *domain.EventPage) Frame {
	return seal(opText, append(p.AppendFields(beginAnswer("page", id, p.Size())), '}'))
}

// SyncPage returns the answer to the sync request id.
func SyncPage(id string, p *domain.SyncPage) Frame {
	return seal(opText, append(p.AppendFields(beginAnswer("sync_page", id, p.Size())), '}'))
}

// beginAnswer begins a frame whose other fields take about size bytes.
func beginAnswer(kind, id string, size int) []byte {
	buf := append(newPayload(size+64+len(id)), `{"type":"`...)
	buf = append(append(buf, kind...), `","id":`...)
	return append(strictjson.AppendString(buf, id), ',')
}
