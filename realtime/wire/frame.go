package wire

import (
	"bytes"
	"encoding/binary"
)

// Frame is one WebSocket frame (RFC 6455) from server to client, header
// included. It is shared by all sockets that it is sent to: never modify it.
type Frame []byte

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa

	// maxHeader is the header length of the longest unmasked frame.
	maxHeader = 10
)

// newPayload returns a buffer for a payload of about size bytes. Append the
// payload to it and pass it to seal.
func newPayload(size int) []byte { return make([]byte, maxHeader, maxHeader+size) }

// seal writes the header in front of the payload of a buffer of newPayload.
func seal(opcode byte, buf []byte) Frame {
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
	return Frame(buf[start:])
}

// Payload returns the payload of f, for a text frame its JSON text.
func (f Frame) Payload() []byte {
	switch f[1] {
	case 126:
		return f[4:]
	case 127:
		return f[10:]
	default:
		return f[2:]
	}
}

// Type returns the type of a text frame of this package, as bytes of f, or the name of
// a control frame.
func (f Frame) Type() []byte {
	const before = `{"type":"`
	switch f[0] & 0xf {
	case opPing:
		return []byte("ws_ping")
	case opPong:
		return []byte("ws_pong")
	case opClose:
		return []byte("ws_close")
	}
	p := f.Payload()
	if len(p) <= len(before) {
		return nil
	}
	p = p[len(before):]
	if end := bytes.IndexByte(p, '"'); end >= 0 {
		return p[:end]
	}
	return nil
}

// Text returns the frame of an encoded JSON text.
func Text(payload []byte) Frame {
	return seal(opText, append(newPayload(len(payload)), payload...))
}

// Close returns the close frame with a code and its reason.
func Close(code CloseCode) Frame {
	buf := binary.BigEndian.AppendUint16(newPayload(64), uint16(code))
	return seal(opClose, append(buf, code.String()...))
}

// IsClose reports whether f is a close frame.
func (f Frame) IsClose() bool { return f[0]&0xf == opClose }

// ControlPing returns the ping control frame of WebSocket.
func ControlPing() Frame { return seal(opPing, newPayload(0)) }

// ControlPong returns the pong control frame that answers a ping with data.
func ControlPong(data string) Frame {
	return seal(opPong, append(newPayload(len(data)), data...))
}
