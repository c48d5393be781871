package bench

import "fmt"

// protocol is what the load needs to know of the frames of a server.
type protocol interface {
	// template returns the payload that sends a message to a conversation. It has id
	// wherever the id of the message belongs, and blankShort where a short one does.
	template(id, conversation, text string) string
	// next returns the first message of a payload, and the rest or nil. An error ends the
	// load.
	next(payload []byte, now int64, tag string) (message, []byte, error)
}

// message is a message of a server, as far as a load counts it.
type message struct {
	kind   messageKind
	due    int64  // when the message that it is about was due
	sender []byte // of an event
}

type messageKind uint8

const (
	isOther messageKind = iota
	isAnswer
	isRefusal
	isEvent
	isPing // to be answered with payloadPong
)

// payloadPong answers a ping within the protocol of Centrifugo.
const payloadPong = "{}"

// ours is the protocol of this project.
type ours struct{}

func (ours) template(id, conversation, text string) string {
	return `{"type":"send","id":"` + id + `","client_msg_id":"` + id + `","conversation_id":"` + conversation +
		`","content":{"type":"text","text":"` + text + `"}}`
}

func (ours) next(payload []byte, _ int64, tag string) (m message, rest []byte, err error) {
	var ok bool
	switch string(typeOf(payload)) {
	case "sent":
		if m.due, ok = dueOf(valueOf(payload, `"id":"`), tag); !ok {
			return m, nil, fmt.Errorf("an answer without a request: %s", payload)
		}
		m.kind = isAnswer
	case "event":
		if m.due, ok = dueOf(valueOf(payload, `"client_msg_id":"`), tag); ok { // else it is of the setup
			m.kind, m.sender = isEvent, valueOf(payload, `"sender":"`)
		}
	case "error":
		if m.due, ok = dueOf(valueOf(payload, `"id":"`), tag); !ok {
			return m, nil, fmt.Errorf("unexpected frame: %s", payload)
		}
		m.kind = isRefusal
	case "gap", "drain":
		return m, nil, fmt.Errorf("unexpected frame: %s", payload)
	}
	return m, nil, nil
}
