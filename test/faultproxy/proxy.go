package faultproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"im/tools/slowlink"
)

// Fault changes what passes the proxy. A nil function changes nothing.
type Fault struct {
	// Down returns what reaches the client instead of a frame of the server.
	Down func(c *Conn, f map[string]any) []map[string]any
	// Up returns what reaches the server instead of a frame of the client.
	Up func(c *Conn, f map[string]any) []map[string]any
	// Answer changes the JSON answer to a REST call, and may change its status.
	Answer func(r *http.Response, body map[string]any)
	// Narrow keeps the buffers towards the client small, so that the server notices a
	// slow reader.
	Narrow bool
}

// Conn is one socket through the proxy.
type Conn struct {
	User string // from welcome

	mu       sync.Mutex
	client   *websocket.Conn
	server   *websocket.Conn
	upstream sync.Mutex
}

// Push writes frames to the client, independent of the server.
func (c *Conn) Push(frames ...map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range frames {
		write(c.client, f)
	}
}

// Pass writes frames to the server.
func (c *Conn) Pass(frames ...map[string]any) {
	c.upstream.Lock()
	defer c.upstream.Unlock()
	for _, f := range frames {
		write(c.server, f)
	}
}

func write(ws *websocket.Conn, f map[string]any) {
	_ = ws.SetWriteDeadline(time.Now().Add(30 * time.Second))
	_ = ws.WriteMessage(websocket.TextMessage, encode(f))
}

// encode is the inverse of parse.
func encode(f map[string]any) []byte {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return text
}

// Proxy is a proxy in front of a node that injects one fault.
type Proxy struct {
	*httptest.Server

	fault    Fault
	injected atomic.Int64
}

// New starts a proxy in front of the node at target, an http URL.
func New(target string, fault Fault) *Proxy {
	base, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	p := &Proxy{fault: fault}
	rest := httputil.NewSingleHostReverseProxy(base)
	rest.ModifyResponse = p.modify
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/ws" {
			p.socket(w, r, "ws"+strings.TrimPrefix(target, "http")+"/v1/ws")
			return
		}
		rest.ServeHTTP(w, r)
	}))
	return p
}

// Injected returns how many frames and answers were changed.
func (p *Proxy) Injected() int64 { return p.injected.Load() }

func (p *Proxy) modify(r *http.Response) error {
	if p.fault.Answer == nil {
		return nil
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	if body, ok := parse(text); ok {
		before, status := encode(body), r.StatusCode
		p.fault.Answer(r, body)
		if text = encode(body); r.StatusCode != status || !bytes.Equal(text, before) {
			p.injected.Add(1)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}

// parse reads an object and keeps its numbers as they are written.
func parse(text []byte) (map[string]any, bool) {
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return body, decoder.Decode(&body) == nil && body != nil
}

func (p *Proxy) socket(w http.ResponseWriter, r *http.Request, target string) {
	header := http.Header{}
	if bearer := r.Header.Get("Authorization"); bearer != "" {
		header.Set("Authorization", bearer)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"im.v1"}}
	if p.fault.Narrow {
		dialer.NetDialContext = slowlink.Dial
	}
	server, response, err := dialer.DialContext(r.Context(), target, header)
	if err != nil {
		status := http.StatusBadGateway
		if response != nil {
			status = response.StatusCode
		}
		http.Error(w, "no socket", status)
		return
	}
	_ = response.Body.Close()
	upgrader := websocket.Upgrader{Subprotocols: []string{"im.v1"}}
	client, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		_ = server.Close()
		return
	}
	c := &Conn{client: client, server: server}
	var both sync.WaitGroup
	both.Go(func() {
		pump(client, c.Pass, func(f map[string]any) []map[string]any { return p.apply(p.fault.Up, c, f) }, server, &c.upstream)
	})
	both.Go(func() {
		pump(server, c.Push, func(f map[string]any) []map[string]any { return p.apply(p.fault.Down, c, f) }, client, &c.mu)
	})
	both.Wait()
	_ = client.Close()
	_ = server.Close()
}

func (p *Proxy) apply(fault func(*Conn, map[string]any) []map[string]any, c *Conn, f map[string]any) []map[string]any {
	if f["type"] == "welcome" {
		c.User, _ = f["user_id"].(string)
	}
	if fault == nil {
		return []map[string]any{f}
	}
	before := encode(f)
	passed := fault(c, f)
	if len(passed) != 1 || !bytes.Equal(encode(passed[0]), before) {
		p.injected.Add(1)
	}
	return passed
}

// pump carries frames until one side ends, and then ends the other alike.
func pump(from *websocket.Conn, forward func(...map[string]any), fault func(map[string]any) []map[string]any, to *websocket.Conn, writing sync.Locker) {
	for {
		_, text, err := from.ReadMessage()
		if err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Code != websocket.CloseNoStatusReceived {
				writing.Lock()
				_ = to.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closed.Code, closed.Text), time.Now().Add(time.Second))
				writing.Unlock()
			}
			_ = to.Close()
			return
		}
		if f, ok := parse(text); ok {
			forward(fault(f)...)
		}
	}
}
