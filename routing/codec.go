package routing

import (
	"encoding/binary"
	"errors"
	"time"

	"im/domain"
)

// What travels between nodes:
//
//	message   = version, origin (8 bytes), record*
//	record    = kind, length (uvarint), content
//	committed = conversation id (16 bytes), epoch, event*
//	event     = seq (uvarint), at (µs, varint), type, sender, client_msg_id, body
//	signal    = user ("" for a broadcast), except, frame, has end (0 or 1) [, session, below (varint), code (varint)]
//	conversation frame = conversation id (16 bytes), from, frame
//	presence  = user
//
// Texts and bodies are preceded by their length as uvarint. Records of an
// unknown kind are skipped, so that nodes of neighbouring versions understand
// each other; another version of the whole is refused.
const (
	codecVersion = 2

	kindCommitted         = 1
	kindSignal            = 2
	kindConversationFrame = 3
	kindPresence          = 4

	headerSize = 1 + len(origin{})
)

// origin names the process life that sent a message, so that it can ignore its
// own broadcasts, under whatever node id they return.
type origin [8]byte

// errMalformed is the answer to bytes that no node of this version wrote.
var errMalformed = errors.New("malformed message between nodes")

func appendHeader(dst []byte, from origin) []byte {
	return append(append(dst, codecVersion), from[:]...)
}

func appendCommitted(dst []byte, c *domain.Committed) []byte {
	size := len(c.ConversationID) + textSize(len(c.Epoch))
	for i := range c.Events {
		size += eventSize(&c.Events[i])
	}
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

// parcel is a decoded message. Event bodies and frames alias its bytes.
type parcel struct {
	from      origin
	committed []domain.Committed
	signals   []domain.Signal
}

// decode returns errMalformed for anything but a whole message; no part of a
// broken one is used.
func decode(data []byte) (parcel, error) {
	r := reader{data: data}
	if r.byte() != codecVersion {
		return parcel{}, errMalformed
	}
	var p parcel
	copy(p.from[:], r.take(len(p.from)))
	for !r.bad && len(r.data) > 0 {
		kind := r.byte()
		record := reader{data: r.text()}
		switch kind {
		case kindCommitted:
			p.committed = append(p.committed, record.committed())
		case kindSignal:
			p.signals = append(p.signals, record.signal())
		case kindConversationFrame:
			p.signals = append(p.signals, record.conversationFrame())
		case kindPresence:
			p.signals = append(p.signals, domain.PresenceChanged{User: domain.UserID(record.text())})
		default:
			continue
		}
		r.bad = r.bad || record.bad
	}
	if r.bad {
		return parcel{}, errMalformed
	}
	return p, nil
}

// reader takes values off the front of data. The first that is not there makes
// it bad, and all that follow are zero.
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
