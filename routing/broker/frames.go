package broker

import "encoding/binary"

// Parts of AMQP 0-9-1. A frame is a header, a payload of the size in the header, and an
// end octet.
const (
	frameHeader  = 7 // type, channel (2), size (4)
	methodFrame  = 1
	largestFrame = 4096 // of a connection's own methods
	maxShort     = 255  // of a short string

	connectionClass     = 10
	connectionClose     = 50
	connectionBlocked   = 60
	connectionUnblocked = 61
)

// frameReader finds what a server says about the connection itself in what it sends. The
// client hides that: it replaces the reason of a refused login or virtual host, and its
// notification of a blocked connection ends with the first connection.
type frameReader struct {
	header  [frameHeader]byte
	have    int    // bytes of the header
	rest    int    // bytes of the payload and the end octet that are still to come
	payload []byte // of a method of the connection; nil for other frames
	handle  func(method uint16, arguments []byte)
}

// feed takes in the next bytes.
func (f *frameReader) feed(p []byte) {
	for len(p) > 0 {
		if f.rest == 0 {
			n := copy(f.header[f.have:], p)
			f.have, p = f.have+n, p[n:]
			if f.have == frameHeader {
				f.begin()
			}
			continue
		}
		n := min(f.rest, len(p))
		if f.payload != nil {
			f.payload = append(f.payload, p[:n]...)
		}
		f.rest, p = f.rest-n, p[n:]
		if f.rest == 0 {
			f.end()
		}
	}
}

func (f *frameReader) begin() {
	size := int(binary.BigEndian.Uint32(f.header[3:]))
	f.have, f.rest, f.payload = 0, size+1, nil
	if f.header[0] == methodFrame && binary.BigEndian.Uint16(f.header[1:]) == 0 && size <= largestFrame {
		f.payload = make([]byte, 0, size+1)
	}
}

func (f *frameReader) end() {
	if len(f.payload) >= 5 && binary.BigEndian.Uint16(f.payload) == connectionClass {
		f.handle(binary.BigEndian.Uint16(f.payload[2:]), f.payload[4:len(f.payload)-1])
	}
	f.payload = nil
}

// shortString reads a short string, which begins with its length.
func shortString(p []byte) string {
	if len(p) == 0 || int(p[0]) > len(p)-1 || int(p[0]) > maxShort {
		return ""
	}
	return string(p[1 : 1+int(p[0])])
}
