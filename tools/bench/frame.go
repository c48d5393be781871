package bench

import (
	"bytes"
	"encoding/binary"
)

// What the opcodes of RFC 6455 are called.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
)

// appendFrame appends a frame of a client. Its mask is zero, which leaves the
// payload as it is: nothing between the two on this machine needs a better one.
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

// nextFrame cuts the first frame off data; ok is false while it is incomplete.
// Servers neither mask nor split what they send.
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

// kindOf returns the type of a frame: its first field, as every server of the
// contract that we know writes it. Nil if it is not there.
func kindOf(payload []byte) []byte {
	if !bytes.HasPrefix(payload, []byte(`{"type":"`)) {
		return nil
	}
	kind, _, _ := bytes.Cut(payload[len(`{"type":"`):], []byte(`"`))
	return kind
}

// valueOf returns the text that follows key, up to the next quote. It is for
// ids of our own making, which hold nothing that JSON escapes. Key is spelled
// with its quotes and colon, as in `"id":"`.
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

// The id of a message, and of the request that sends it, tells when it was due:
// who reads it, on whichever socket, knows how long it took.
//
//	tag of the run (6) | ns since the clock began, hex (12) | number, hex (8)
const (
	tagChars    = 6
	stampChars  = 12
	numberChars = 8
	idChars     = tagChars + stampChars + numberChars
)

func writeHex(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = digits[v&0xf]
		v >>= 4
	}
}

// stampOf reads when a message was due; ok is false if the id is not of this run.
func stampOf(id []byte, tag string) (ns int64, ok bool) {
	if len(id) != idChars || string(id[:tagChars]) != tag {
		return 0, false
	}
	for _, c := range id[tagChars : tagChars+stampChars] {
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

// posting is a send frame in which only the ids change.
type posting struct {
	frame  []byte // header and all
	holes  [2]int // where the ids begin
	number uint64
}

func newPosting(tag string, conversation, text string) *posting {
	blank := tag + string(bytes.Repeat([]byte("0"), stampChars+numberChars))
	head := `{"type":"send","id":"`
	middle := `","client_msg_id":"`
	payload := head + blank + middle + blank + `","conversation_id":"` + conversation + `","content":{"type":"text","text":"` + text + `"}}`
	p := &posting{frame: appendFrame(nil, opText, []byte(payload))}
	header := len(p.frame) - len(payload)
	p.holes = [2]int{header + len(head), header + len(head) + idChars + len(middle)}
	return p
}

// appendTo appends the next message, due at a time.
func (p *posting) appendTo(dst []byte, due int64) []byte {
	p.number++
	for _, at := range p.holes {
		writeHex(p.frame[at+tagChars:at+tagChars+stampChars], uint64(due))
		writeHex(p.frame[at+tagChars+stampChars:at+idChars], p.number)
	}
	return append(dst, p.frame...)
}
