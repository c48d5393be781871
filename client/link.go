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
	maxFrame      = 16 << 20 // of the server; a page ends at 1 MiB
	maxQueued     = 512      // frames to the server; requests in flight are fewer
	writeTimeout  = 10 * time.Second
	closeDeadline = time.Second
)

var (
	errSilent = errors.New("nothing heard from the server")
	errStuck  = errors.New("the server does not take our frames")
)

// link is one WebSocket. One goroutine reads it, one writes it.
type link struct {
	ws    *websocket.Conn
	out   chan []byte
	stuck atomic.Bool
	heard atomic.Int64 // when the last frame of any kind came, in Unix nanoseconds
}

func dial(ctx context.Context, base string, timeout time.Duration) (*link, error) {
	dialer := websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, HandshakeTimeout: timeout, Subprotocols: []string{subprotocol},
	}
	// ws for http, wss for https.
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
		l.hear()
		return ping(data)
	})
	l.hear()
	return l, nil
}

func (l *link) hear() { l.heard.Store(time.Now().UnixNano()) }

// silence is for how long nothing was heard.
func (l *link) silence() time.Duration { return time.Since(time.Unix(0, l.heard.Load())) }

// write queues a frame and never blocks; a full queue ends the link.
func (l *link) write(frame []byte) {
	select {
	case l.out <- frame:
	default:
		l.stuck.Store(true)
	}
}

// read hands every text frame to take until the socket or take fails.
func (l *link) read(take func([]byte) error) error {
	for {
		kind, data, err := l.ws.ReadMessage()
		if err != nil {
			return closedBy(err)
		}
		l.hear()
		if kind != websocket.TextMessage {
			continue
		}
		if err := take(data); err != nil {
			return err
		}
	}
}

func (l *link) send(frame []byte) error {
	if err := l.ws.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return l.ws.WriteMessage(websocket.TextMessage, frame)
}

// close says goodbye after what is still queued, without waiting for an answer.
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
