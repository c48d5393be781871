package realtime

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"im/domain"
	"im/internal/strictjson"
)

// wire is one WebSocket frame (RFC 6455, from server to client), header and
// all. It is shared by every socket that it goes to and never modified.
type wire []byte

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa

	// maxHeader is the header of the longest unmasked frame.
	maxHeader = 10
)

// newPayload returns a buffer to append a payload to and to give to seal.
func newPayload(size int) []byte { return make([]byte, maxHeader, maxHeader+size) }

// seal puts the header before the payload of a buffer of newPayload.
func seal(opcode byte, buf []byte) wire {
	n := len(buf) - maxHeader
	start := maxHeader
	switch {
	case n < 126:
		start -= 2
		buf[start+1] = byte(n)
	case n < 1<<16:
		start -= 4
		buf[start+1] = 126
		binary.BigEndian.PutUint16(buf[start+2:], uint16(n))
	default:
		start -= 10
		buf[start+1] = 127
		binary.BigEndian.PutUint64(buf[start+2:], uint64(n))
	}
	buf[start] = 0x80 | opcode
	return wire(buf[start:])
}

// textFrame wraps a JSON text that is at hand already.
func textFrame(payload []byte) wire {
	return seal(opText, append(newPayload(len(payload)), payload...))
}

// jsonFrame encodes one of the frames below. The order of their fields is the
// order on the wire.
func jsonFrame(v any) wire {
	buf := bytes.NewBuffer(newPayload(512))
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// A stored body that is not JSON; nothing that a client can cause.
		return jsonFrame(errorFrame{Type: "error", Code: domain.CodeInternal, Message: domain.ErrInternal.Message, Retry: domain.RetryAgain})
	}
	return seal(opText, bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

// eventFrame encodes an event once for all sockets of the node.
func eventFrame(e *domain.Event) wire {
	buf := append(newPayload(e.Size()+32), `{"type":"event","event":`...)
	return seal(opText, append(e.AppendJSON(buf), '}'))
}

// sentFrame answers a send. It is the one frame that is as frequent as events are.
func sentFrame(id string, sent *domain.Sent) wire {
	e := &sent.Event
	buf := append(newPayload(192+len(id)+len(e.ClientMsgID)), `{"type":"sent","id":`...)
	buf = append(strictjson.AppendString(buf, id), `,"conversation_id":"`...)
	buf = append(e.ConversationID.AppendString(buf), `","client_msg_id":`...)
	buf = append(strictjson.AppendString(buf, e.ClientMsgID), `,"seq":`...)
	buf = append(strconv.AppendInt(buf, e.Seq, 10), `,"at":`...)
	buf = append(e.At.AppendJSON(buf), `,"duplicate":`...)
	return seal(opText, append(strconv.AppendBool(buf, sent.Duplicate), '}'))
}

// pageFrame answers a pull.
func pageFrame(id string, p *domain.EventPage) wire {
	return seal(opText, append(p.AppendFields(answerTo("page", id, p.Size())), '}'))
}

// syncPageFrame answers a sync.
func syncPageFrame(id string, p *domain.SyncPage) wire {
	return seal(opText, append(p.AppendFields(answerTo("sync_page", id, p.Size())), '}'))
}

// answerTo begins a frame of about so many bytes.
func answerTo(kind, id string, size int) []byte {
	buf := append(newPayload(size+64+len(id)), `{"type":"`...)
	buf = append(append(buf, kind...), `","id":`...)
	return append(strictjson.AppendString(buf, id), ',')
}

func closeFrame(code closeCode) wire {
	buf := binary.BigEndian.AppendUint16(newPayload(64), uint16(code))
	return seal(opClose, append(buf, code.String()...))
}

func controlFrame(opcode byte, data string) wire {
	return seal(opcode, append(newPayload(len(data)), data...))
}

type welcomeFrame struct {
	Type           string           `json:"type"`
	UserID         domain.UserID    `json:"user_id"`
	DeviceID       domain.DeviceID  `json:"device_id"`
	SessionID      domain.SessionID `json:"session_id"`
	NodeID         domain.NodeID    `json:"node_id"`
	Epoch          string           `json:"epoch"`
	HeartbeatMS    int64            `json:"heartbeat_ms"`
	ServerTime     domain.Time      `json:"server_time"`
	TokenExpiresAt domain.Time      `json:"token_expires_at"`
	Limits         domain.Limits    `json:"limits"`
}

type conversationFrame struct {
	Type         string                  `json:"type"`
	Conversation domain.ConversationView `json:"conversation"`
}

type gapFrame struct {
	Type          string                          `json:"type"`
	Conversations map[domain.ConversationID]int64 `json:"conversations"`
	Reason        string                          `json:"reason"`
}

type readStateFrame struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
	domain.ReadState
}

type pongFrame struct {
	Type       string      `json:"type"`
	ID         string      `json:"id,omitempty"`
	ServerTime domain.Time `json:"server_time"`
}

type drainFrame struct {
	Type             string `json:"type"`
	ReconnectAfterMS int64  `json:"reconnect_after_ms"`
}
