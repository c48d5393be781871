package broker

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame encodes a frame.
func frame(kind byte, channel uint16, payload ...byte) []byte {
	f := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	f = binary.BigEndian.AppendUint32(f, uint32(len(payload)))
	return append(append(f, payload...), 0xCE)
}

func method(class, method uint16, arguments ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), method), arguments...)
}

// TestFrameReader: what is about the connection is found, however the bytes arrive.
func TestFrameReader(t *testing.T) {
	stream := []byte{}
	for _, f := range [][]byte{
		frame(methodFrame, 0, method(connectionClass, 10, make([]byte, 600)...)...), // start
		frame(8, 0), // heartbeat
		frame(methodFrame, 1, method(connectionClass, connectionBlocked, 1, 'x')...), // another channel
		frame(methodFrame, 0, method(connectionClass, connectionBlocked, 3, 'l', 'o', 'w')...),
		frame(3, 1, make([]byte, 70_000)...),                    // a body
		frame(methodFrame, 0, method(60, connectionBlocked)...), // another class
		frame(methodFrame, 0, method(connectionClass, connectionUnblocked)...),
		frame(methodFrame, 0, method(connectionClass, connectionClose, 2, 18, 2, 'n', 'o', 0, 0, 0, 0)...),
	} {
		stream = append(stream, f...)
	}
	want := []string{`60 "low"`, `61 ""`, `50 "no"`}
	for _, size := range []int{1, 2, 7, 8, 4096, len(stream)} {
		var got []string
		f := frameReader{handle: func(method uint16, arguments []byte) {
			if method == connectionClose {
				arguments = arguments[2:]
			}
			if method != 10 {
				got = append(got, fmt.Sprintf("%d %q", method, shortString(arguments)))
			}
		}}
		for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			f.feed(rest[:min(size, len(rest))])
		}
		require.Equal(t, want, got, size)
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add(frame(methodFrame, 0, method(connectionClass, connectionBlocked, 9, 'x')...))
	f.Add([]byte("AMQP\x00\x00\x09\x01"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		d := newDialer(&address{}, nil)
		reader := frameReader{handle: d.handle}
		reader.feed(data)
	})
}
