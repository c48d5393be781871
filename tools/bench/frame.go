package bench

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// Opcodes of RFC 6455.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
)

// appendFrame appends a frame of a client. Its mask is zero, which leaves the payload
// unchanged: masks protect proxies, and there are none here.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}

// nextFrame splits the first frame from data. Ok is false if the frame is incomplete.
// The server neither masks nor fragments its frames.
func nextFrame(data []byte) (opcode byte, payload, rest []byte, ok bool) {
	if len(data) < 2 {
		return 0, nil, data, false
	}
	at, size := 2, uint64(data[1]&0x7f)
	switch {
	case size == 126 && len(data) >= 4:
		at, size = 4, uint64(binary.BigEndian.Uint16(data[2:]))
	case size == 127 && len(data) >= 10:
		at, size = 10, binary.BigEndian.Uint64(data[2:])
	case size >= 126:
		return 0, nil, data, false
	}
	if size > uint64(len(data)-at) {
		return 0, nil, data, false
	}
	end := at + int(size)
	return data[0] & 0x0f, data[at:end], data[end:], true
}

// typeOf returns the type of a frame, or nil if type is not its first field. The server
// always writes it first.
func typeOf(payload []byte) []byte {
	if !bytes.HasPrefix(payload, []byte(`{"type":"`)) {
		return nil
	}
	kind, _, _ := bytes.Cut(payload[len(`{"type":"`):], []byte(`"`))
	return kind
}

// valueOf returns the text that follows key, up to the next quote. It serves for ids
// of this package, which contain nothing that JSON escapes. Key includes its quotes
// and colon, as in `"id":"`.
func valueOf(payload []byte, key string) []byte {
	at := bytes.Index(payload, []byte(key))
	if at < 0 {
		return nil
	}
	value, _, found := bytes.Cut(payload[at+len(key):], []byte(`"`))
	if !found {
		return nil
	}
	return value
}

// The id of a message, which is also the id of its request, holds the time at which
// the message was due. So every socket that receives it can compute the latency.
//
//	tag of the run (6) | due: ns of the clock, hex (12) | number, hex (8)
const (
	tagChars    = 6
	dueChars    = 12
	numberChars = 8
	idChars     = tagChars + dueChars + numberChars
)

func writeHex(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = digits[v&0xf]
		v >>= 4
	}
}

// dueOf returns when a message was due. Ok is false if the id is not of this run.
func dueOf(id []byte, tag string) (ns int64, ok bool) {
	if len(id) != idChars || string(id[:tagChars]) != tag {
		return 0, false
	}
	for _, c := range id[tagChars : tagChars+dueChars] {
		switch {
		case c >= '0' && c <= '9':
			ns = ns<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			ns = ns<<4 | int64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return ns, true
}

// sendFrame is the template of the frame that sends a message. Only its ids change.
type sendFrame struct {
	frame  []byte // with its header
	ids    []int  // offsets of the ids of the message
	short  int    // offset of an id of shortChars digits; 0: none
	number uint64 // of the last message
}

// The id of a request to a server that takes only numbers of 32 bits: the time at which
// the message was due, in µs. It begins again every 50 minutes.
const (
	shortChars  = 10
	shortOffset = 1_000_000_000
	shortRange  = 3_000_000_000
)

// blankID and blankShort hold the places of ids in a template.
func blankID(tag string) string { return tag + strings.Repeat("0", dueChars+numberChars) }

const blankShort = "1000000000"

func shortID(due int64) int64 { return shortOffset + due/1000%shortRange }

// dueOfShort returns when the message with a short id was due, not long before now.
func dueOfShort(id, now int64) int64 {
	ago := (now/1000 - (id - shortOffset)) % shortRange
	if ago < 0 {
		ago += shortRange
	}
	return (now/1000 - ago) * 1000
}

func newSendFrame(tag string, conversation, text string) *sendFrame {
	return newTemplate(tag, ours{}.template(blankID(tag), conversation, text))
}

// newTemplate returns a template whose payload has blankID, and perhaps blankShort, where
// ids belong.
func newTemplate(tag, payload string) *sendFrame {
	p := &sendFrame{frame: appendFrame(nil, opText, []byte(payload))}
	header := len(p.frame) - len(payload)
	blank := blankID(tag)
	for at := strings.Index(payload, blank); at >= 0; {
		p.ids = append(p.ids, header+at)
		next := strings.Index(payload[at+idChars:], blank)
		if next < 0 {
			break
		}
		at += idChars + next
	}
	if at := strings.Index(payload, blankShort); at >= 0 {
		p.short = header + at
	}
	return p
}

// appendTo appends the next message, which is due at a time of the clock.
func (p *sendFrame) appendTo(dst []byte, due int64) []byte {
	p.number++
	for _, at := range p.ids {
		writeHex(p.frame[at+tagChars:at+tagChars+dueChars], uint64(due))
		writeHex(p.frame[at+tagChars+dueChars:at+idChars], p.number)
	}
	if p.short > 0 {
		strconv.AppendInt(p.frame[p.short:p.short], shortID(due), 10)
	}
	return append(dst, p.frame...)
}
