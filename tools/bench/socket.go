package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	subprotocol   = "im.v1"
	firstBuffer   = 2 << 10 // bytes of the read buffer; it grows with the frames
	dialTimeout   = 30 * time.Second
	answerTimeout = 30 * time.Second // of a REST call, and of the welcome
)

// socket is a session. Package gorilla/websocket does the handshake; after it the
// socket reads and writes frames itself. One goroutine may read, several may write.
type socket struct {
	conn   net.Conn
	buf    []byte // buf[from:to] has been received and not consumed
	from   int
	to     int
	number int // of the last request, its id

	mu  sync.Mutex
	out []byte // queued; written by flush
}

// closedError is the close frame of the server.
type closedError struct {
	code   int
	reason string
}

func (e closedError) Error() string { return fmt.Sprintf("socket closed: %d %s", e.code, e.reason) }

// dial opens a session and waits for the welcome.
func dial(ctx context.Context, base, token, device string) (*socket, error) {
	s, err := open(ctx, "ws"+strings.TrimPrefix(base, "http")+"/v1/ws", http.Header{"Authorization": {"Bearer " + token}}, subprotocol)
	if err != nil {
		return nil, err
	}
	return s.begin(func() error {
		if err := s.write(map[string]any{"type": "hello", "device_id": device}); err != nil {
			return err
		}
		_, err := s.await("welcome")
		return err
	})
}

// open does the handshake of a WebSocket.
func open(ctx context.Context, url string, header http.Header, subprotocols ...string) (*socket, error) {
	dialer := websocket.Dialer{
		Subprotocols: subprotocols, HandshakeTimeout: dialTimeout,
		ReadBufferSize: 512, WriteBufferSize: 512,
	}
	ws, response, err := dialer.DialContext(ctx, url, header)
	if err != nil {
		if response != nil {
			err = fmt.Errorf("%w: %s", err, response.Status)
		}
		return nil, err
	}
	_ = response.Body.Close()
	// The servers send nothing before the first frame of the client, so gorilla has not
	// buffered any byte.
	return &socket{conn: ws.NetConn(), buf: make([]byte, firstBuffer)}, nil
}

// begin does what a session begins with, within answerTimeout. It closes the socket after
// an error.
func (s *socket) begin(do func() error) (*socket, error) {
	err := s.conn.SetDeadline(time.Now().Add(answerTimeout))
	if err == nil {
		err = do()
	}
	if err == nil {
		err = s.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) close() { _ = s.conn.Close() }

// write sends one frame.
func (s *socket) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.out = appendFrame(s.out, opText, text)
	s.mu.Unlock()
	return s.flush()
}

// queue queues the next message of p, which is due at a time of the clock, for flush.
func (s *socket) queue(p *sendFrame, due int64) {
	s.mu.Lock()
	s.out = p.appendTo(s.out, due)
	s.mu.Unlock()
}

// queueText queues a frame for flush.
func (s *socket) queueText(payload string) {
	s.mu.Lock()
	s.out = appendFrame(s.out, opText, []byte(payload))
	s.mu.Unlock()
}

// flush writes all queued frames in one call.
func (s *socket) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// fill reads once from the connection. It waits until there is something to read.
func (s *socket) fill() error {
	if s.from == s.to {
		s.from, s.to = 0, 0
	}
	if s.to == len(s.buf) {
		if s.from > 0 {
			s.to = copy(s.buf, s.buf[s.from:s.to])
			s.from = 0
		} else {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
	}
	n, err := s.conn.Read(s.buf[s.to:])
	s.to += n
	if n > 0 {
		return nil
	}
	return err
}

// peek waits until something was received that is not consumed.
func (s *socket) peek() error {
	if s.from < s.to {
		return nil
	}
	return s.fill()
}

// next returns the payload of the next text frame in the buffer, or nil if there is no
// complete one. The payload is valid until fill. Pings are answered with the next flush.
func (s *socket) next() ([]byte, error) {
	for {
		opcode, payload, rest, ok := nextFrame(s.buf[s.from:s.to])
		if !ok {
			return nil, nil
		}
		s.from = s.to - len(rest)
		switch opcode {
		case opText:
			return payload, nil
		case opPing:
			s.mu.Lock()
			s.out = appendFrame(s.out, opPong, payload)
			s.mu.Unlock()
		case opPong:
		case opClose:
			closed := closedError{code: 1005}
			if len(payload) >= 2 {
				closed = closedError{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
			}
			return nil, closed
		default:
			return nil, fmt.Errorf("unexpected opcode %d", opcode)
		}
	}
}

// read waits for the next text frame. Its payload is valid until the next call.
func (s *socket) read() ([]byte, error) {
	for {
		payload, err := s.next()
		if payload != nil || err != nil {
			return payload, err
		}
		if err := s.flush(); err != nil {
			return nil, err
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// await reads until a frame of type kind. An error frame is an error.
func (s *socket) await(kind string) ([]byte, error) {
	for {
		payload, err := s.read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("waiting for %s: %w", kind, err)
		}
		switch string(typeOf(payload)) {
		case kind:
			return payload, nil
		case "error":
			return nil, fmt.Errorf("waiting for %s: %s", kind, payload)
		}
	}
}
