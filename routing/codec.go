package routing

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"im/domain"
)

// The format of messages between nodes:
//
//	message            = version, origin (8 bytes), record*
//	record             = kind, length (uvarint), content
//	committed          = conversation id (16 bytes), epoch, event*
//	event              = seq (uvarint), at (µs, varint), type, sender, client_msg_id, body
//	signal             = user frame | broadcast | end of sessions
//	user frame         = user, except, frame, 0
//	broadcast          = "", "", frame, 0
//	end of sessions    = user, "", "", 1, session, below (varint), code (varint)
//	conversation frame = conversation id (16 bytes), from, frame
//	presence changed   = user
//
// Texts, frames and bodies are preceded by their length as uvarint. A node skips
// records of an unknown kind, so that nodes of neighbouring versions understand each
// other. It refuses a message of another version.
const (
	codecVersion = 2

	kindCommitted         = 1
	kindSignal            = 2
	kindConversationFrame = 3
	kindPresence          = 4

	headerSize = 1 + len(origin{})
)

// origin identifies the process that sent a message. By it, a node ignores its own
// broadcasts, even after its node id has changed.
type origin [8]byte

// errMalformed is the error for bytes that no node of this version has written.
var errMalformed = errors.New("malformed message between nodes")

func appendHeader(dst []byte, from origin) []byte {
	return append(append(dst, codecVersion), from[:]...)
}

func appendCommitted(dst []byte, c *domain.Committed) []byte {
	size := len(c.ConversationID) + textSize(len(c.Epoch))
	for i := range c.Events {
		size += eventSize(&c.Events[i])
	}
	dst = slices.Grow(dst, 1+binary.MaxVarintLen64+size)
	dst = append(dst, kindCommitted)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = append(dst, c.ConversationID[:]...)
	dst = appendText(dst, c.Epoch)
	for i := range c.Events {
		e := &c.Events[i]
		dst = binary.AppendUvarint(dst, uint64(e.Seq))
		dst = binary.AppendVarint(dst, e.At.UnixMicro())
		dst = appendText(dst, string(e.Type))
		dst = appendText(dst, string(e.Sender))
		dst = appendText(dst, e.ClientMsgID)
		dst = appendText(dst, e.Body)
	}
	return dst
}

func appendSignal(dst []byte, s domain.Signal) []byte {
	switch s := s.(type) {
	case domain.UserFrame:
		return appendUserSignal(dst, s.User, s.Except, s.Frame, nil)
	case domain.Broadcast:
		return appendUserSignal(dst, "", "", s.Frame, nil)
	case domain.EndSessions:
		return appendUserSignal(dst, s.User, "", nil, &s)
	case domain.ConversationFrame:
		dst = append(dst, kindConversationFrame)
		dst = binary.AppendUvarint(dst, uint64(len(s.Conversation)+textSize(len(s.From))+textSize(len(s.Frame))))
		dst = append(dst, s.Conversation[:]...)
		dst = appendText(dst, string(s.From))
		return appendText(dst, s.Frame)
	case domain.PresenceChanged:
		dst = binary.AppendUvarint(append(dst, kindPresence), uint64(textSize(len(s.User))))
		return appendText(dst, string(s.User))
	}
	return dst
}

// appendUserSignal appends a record of kind signal; end is nil for a frame.
func appendUserSignal(dst []byte, user domain.UserID, except domain.SessionID, frame []byte, end *domain.EndSessions) []byte {
	size := textSize(len(user)) + textSize(len(except)) + textSize(len(frame)) + 1
	if end != nil {
		size += textSize(len(end.Session)) + varintSize(end.Below) + varintSize(int64(end.Code))
	}
	dst = append(dst, kindSignal)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = appendText(dst, string(user))
	dst = appendText(dst, string(except))
	dst = appendText(dst, frame)
	if end == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = appendText(dst, string(end.Session))
	dst = binary.AppendVarint(dst, end.Below)
	return binary.AppendVarint(dst, int64(end.Code))
}

func appendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func eventSize(e *domain.Event) int {
	return uvarintSize(uint64(e.Seq)) + varintSize(e.At.UnixMicro()) + textSize(len(e.Type)) +
		textSize(len(e.Sender)) + textSize(len(e.ClientMsgID)) + textSize(len(e.Body))
}

func textSize(n int) int { return uvarintSize(uint64(n)) + n }

func varintSize(n int64) int { return uvarintSize(uint64(n)<<1 ^ uint64(n>>63)) }

func uvarintSize(n uint64) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// envelope is a decoded message. Bodies and frames share its bytes.
type envelope struct {
	origin    origin
	committed []domain.Committed
	signals   []domain.Signal
}

// decode returns errMalformed unless data is a whole message. It returns no part of a
// malformed one.
func decode(data []byte) (envelope, error) {
	r := reader{data: data}
	if r.byte() != codecVersion {
		return envelope{}, errMalformed
	}
	var e envelope
	copy(e.origin[:], r.take(len(e.origin)))
	for !r.bad && len(r.data) > 0 {
		kind := r.byte()
		record := reader{data: r.text()}
		switch kind {
		case kindCommitted:
			e.committed = append(e.committed, record.committed())
		case kindSignal:
			e.signals = append(e.signals, record.signal())
		case kindConversationFrame:
			e.signals = append(e.signals, record.conversationFrame())
		case kindPresence:
			e.signals = append(e.signals, domain.PresenceChanged{User: domain.UserID(record.text())})
		default:
			continue
		}
		r.bad = r.bad || record.bad
	}
	if r.bad {
		return envelope{}, errMalformed
	}
	return e, nil
}

// reader removes values from the front of data. After the first value that is missing
// or wrong it is bad, and returns zero values only.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) committed() domain.Committed {
	var c domain.Committed
	copy(c.ConversationID[:], r.take(len(c.ConversationID)))
	c.Epoch = string(r.text())
	for !r.bad && len(r.data) > 0 {
		e := domain.Event{
			ConversationID: c.ConversationID,
			Seq:            int64(r.uvarint()),
			At:             domain.TimeOf(time.UnixMicro(r.varint())),
			Type:           domain.EventType(r.text()),
			Sender:         domain.UserID(r.text()),
			ClientMsgID:    string(r.text()),
			Body:           r.text(),
		}
		if n := len(c.Events); e.Seq <= 0 || n > 0 && e.Seq != c.Events[n-1].Seq+1 {
			r.bad = true
		}
		c.Events = append(c.Events, e)
	}
	return c
}

func (r *reader) signal() domain.Signal {
	user, except, frame := domain.UserID(r.text()), domain.SessionID(r.text()), r.text()
	switch end := r.byte(); {
	case end == 1:
		return domain.EndSessions{User: user, Session: domain.SessionID(r.text()), Below: r.varint(), Code: int(r.varint())}
	case end > 1:
		r.bad = true
		return nil
	case user == "":
		return domain.Broadcast{Frame: frame}
	default:
		return domain.UserFrame{User: user, Frame: frame, Except: except}
	}
}

func (r *reader) conversationFrame() domain.Signal {
	var s domain.ConversationFrame
	copy(s.Conversation[:], r.take(len(s.Conversation)))
	s.From, s.Frame = domain.UserID(r.text()), r.text()
	r.bad = r.bad || s.Conversation.IsZero()
	return s
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) text() []byte {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.data) {
		r.bad = true
		return nil
	}
	taken := r.data[:n:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	return reads(r, v, n)
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	return reads(r, v, n)
}

func reads[T int64 | uint64](r *reader, v T, n int) T {
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[n:]
	return v
}
