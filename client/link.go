package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	subprotocol   = "im.v1"
	maxFrame      = 16 << 20 // bytes of a server's frame or answer; a page ends at 1 MiB
	maxQueued     = 512      // frames to the server; more than may be in flight
	closeDeadline = time.Second
)

var (
	errSilent = errors.New("the server was silent for too long")
	errStuck  = errors.New("the server does not read the client's frames")
)

// link is one WebSocket. One goroutine reads it, one writes it.
type link struct {
	ws    *websocket.Conn
	out   chan []byte  // frames to the server
	stuck atomic.Bool  // a frame found the queue full
	heard atomic.Int64 // the time of the last frame of any kind, in Unix nanoseconds
}

// dial opens a WebSocket to the node at base. A proxy of the environment is used.
func dial(ctx context.Context, base string, timeout time.Duration) (*link, error) {
	dialer := websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, HandshakeTimeout: timeout, Subprotocols: []string{subprotocol},
	}
	// http becomes ws, https becomes wss.
	ws, answer, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(base, "http")+"/v1/ws", nil)
	if answer != nil && answer.Body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<10))
		_ = answer.Body.Close()
	}
	if err != nil {
		if answer != nil && errors.Is(err, websocket.ErrBadHandshake) {
			return nil, &refusedUpgrade{status: answer.StatusCode}
		}
		return nil, err
	}
	l := &link{ws: ws, out: make(chan []byte, maxQueued)}
	ws.SetReadLimit(maxFrame)
	ping := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		l.noteFrame()
		return ping(data)
	})
	l.noteFrame()
	return l, nil
}

func (l *link) noteFrame() { l.heard.Store(time.Now().UnixNano()) }

// silence returns the time since the last frame of any kind.
func (l *link) silence() time.Duration { return time.Since(time.Unix(0, l.heard.Load())) }

// queue queues a frame and never blocks. A full queue makes the link stuck.
func (l *link) queue(frame []byte) {
	select {
	case l.out <- frame:
	default:
		l.stuck.Store(true)
	}
}

// read calls handle for every text frame, until the socket or handle fails.
func (l *link) read(handle func([]byte) error) error {
	for {
		kind, data, err := l.ws.ReadMessage()
		if err != nil {
			return asClosed(err)
		}
		l.noteFrame()
		if kind != websocket.TextMessage {
			continue
		}
		if err := handle(data); err != nil {
			return err
		}
	}
}

// write writes a frame to the socket.
func (l *link) write(frame []byte) error {
	if err := l.ws.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return err
	}
	return l.ws.WriteMessage(websocket.TextMessage, frame)
}

// close writes the queued frames and a close frame, and does not wait for an answer.
func (l *link) close() {
	deadline := time.Now().Add(closeDeadline)
	_ = l.ws.SetWriteDeadline(deadline)
	for {
		select {
		case frame := <-l.out:
			if l.ws.WriteMessage(websocket.TextMessage, frame) == nil {
				continue
			}
		default:
		}
		break
	}
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = l.ws.WriteControl(websocket.CloseMessage, goodbye, deadline)
}
