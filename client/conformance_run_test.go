package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// conformance is the run of one case.
type conformance struct {
	t      *testing.T
	c      object
	names  object
	fill   completion
	server *scriptedServer
	store  *memoryStore
	client *testClient

	mu     sync.Mutex
	tokens int
	sends  object // the outcome by client_msg_id
	posts  []Post // without an outcome
}

func newConformance(t *testing.T, defaults, c, names object) *conformance {
	return &conformance{
		t: t, c: c, names: over(defaults["ids"], names), fill: completion{defaults}, server: newScriptedServer(t),
		store: &memoryStore{}, sends: object{},
	}
}

func (r *conformance) run() {
	r.start()
	for i, step := range r.c["steps"].([]any) {
		step := substitute(step, r.names).(object)
		r.t.Logf("step %d: %v", i+1, step)
		r.step(step)
	}
	r.nothingLeft()
}

func (r *conformance) start() {
	history := 20
	switch h := r.c["history"].(type) {
	case float64:
		history = int(h)
	case string:
		history = Everything
	}
	former := r.client
	r.client = start(r.t, "", Options{
		Store: r.store, Device: r.fill.defaults["device_id"].(string), History: history, Token: r.token,
	}, r.server.url)
	if former != nil {
		r.client.events = former.events
	}
	posts := r.posts
	r.posts = nil
	for _, p := range posts {
		r.send(p) // what an app does that keeps its outbox
	}
}

func (r *conformance) token(context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tokens, ok := r.c["tokens"].([]any)
	if !ok {
		return "token", nil
	}
	r.tokens++
	return tokens[min(r.tokens, len(tokens))-1].(string), nil
}

func (r *conformance) send(p Post) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sends[p.ClientMsgID] = "pending"
	r.posts = append(r.posts, p)
	client := r.client
	go func() {
		sent, err := client.Send(context.Background(), p)
		r.mu.Lock()
		defer r.mu.Unlock()
		var refusal *Error
		switch {
		case err == nil:
			r.sends[p.ClientMsgID] = object{"seq": float64(sent.Seq)}
		case errors.As(err, &refusal):
			r.sends[p.ClientMsgID] = object{"code": string(refusal.Code)}
		default:
			return
		}
		r.posts = slices.DeleteFunc(r.posts, func(o Post) bool { return o.ClientMsgID == p.ClientMsgID })
	}()
}

func (r *conformance) step(step object) {
	for kind, given := range step {
		handle := map[string]func(step object, given any){
			"welcome": r.welcome, "sync": r.sync, "pull": r.pull, "receive": r.receive, "app": r.app, "rest": r.rest,
			"send":    func(_ object, f any) { r.server.send(r.fill.frame(f.(object))) },
			"serve":   func(_ object, logs any) { r.server.serve(r.serve(logs.(object))) },
			"close":   func(_ object, code any) { r.server.close(int(code.(float64))) },
			"acked":   r.acked,
			"pinged":  r.pinged,
			"quiet":   r.quiet,
			"restart": func(object, any) { r.client.close(); r.start() },
			"expect":  func(_ object, want any) { r.expect(want.(object)) },
		}[kind]
		if handle != nil {
			handle(step, given)
			return
		}
	}
	r.t.Fatalf("unknown step %v", step)
}

// take waits for a frame that has everything that pattern names, and takes it.
func (r *conformance) take(pattern object) (frame object) {
	r.t.Helper()
	eventually.NoError(r.t, fmt.Sprint("the frame ", pattern), func() (err error) {
		frame, err = r.server.take(pattern)
		return err
	})
	return frame
}

func (r *conformance) welcome(step object, given any) {
	hello := object{"type": "hello", "device_id": r.fill.defaults["device_id"]}
	if token, ok := step["token"]; ok {
		hello["token"] = token
	}
	r.take(hello)
	r.server.send(r.fill.frame(over(object{"type": "welcome"}, given.(object))))
}

func (r *conformance) sync(step object, given any) {
	pattern := object{"type": "sync"}
	if cursor, ok := step["cursor"]; ok {
		pattern["cursor"] = cursor
	}
	f := r.take(pattern)
	r.server.send(r.fill.frame(over(object{"type": "sync_page", "id": f["id"]}, given.(object))))
}

func (r *conformance) pull(step object, given any) {
	f := r.take(over(object{"type": "pull"}, given.(object)))
	r.server.send(r.fill.frame(over(object{"type": "page", "id": f["id"]}, step["page"].(object))))
}

func (r *conformance) receive(step object, given any) {
	f := r.take(given.(object))
	if name, ok := step["as"].(string); ok {
		for key, value := range f {
			r.names[name+"."+key] = value
		}
	}
}

// serve returns a function that answers pulls of conversations from their logs.
func (r *conformance) serve(logs object) func(object) object {
	return func(f object) object {
		id, _ := f["conversation_id"].(string)
		log, ok := logs[id].([]any)
		if f["type"] != "pull" || !ok {
			return nil
		}
		events := []any{}
		for _, e := range log {
			if e.(object)["seq"].(float64) > f["after_seq"].(float64) {
				events = append(events, e)
			}
		}
		head := log[len(log)-1].(object)["seq"]
		return r.fill.frame(object{"type": "page", "id": f["id"], "conversation_id": id, "events": events, "head_seq": head})
	}
}

func (r *conformance) acked(_ object, given any) {
	eventually.NoError(r.t, "acknowledgements", func() error { return asFailure(fails(r.server.acknowledged(), given)) })
}

func (r *conformance) pinged(object, any) {
	before := r.server.pingCount()
	eventually.True(r.t, "a ping", func() bool { return r.server.pingCount() > before })
}

// quiet checks that the client does nothing for a while that the case does not expect.
func (r *conformance) quiet(_ object, given any) {
	before := r.server.connections()
	time.Sleep(time.Duration(given.(float64) * float64(time.Millisecond)))
	r.nothingLeft()
	require.Equal(r.t, before, r.server.connections(), "connections")
}

func (r *conformance) nothingLeft() {
	require.Empty(r.t, r.server.left(), "frames and calls that the case does not expect")
}

func (r *conformance) app(_ object, given any) {
	for call, arguments := range given.(object) {
		a := arguments.(object)
		id, _ := a["conversation_id"].(string)
		var conversation ConversationID
		if id != "" {
			var err error
			conversation, err = ParseConversationID(id)
			require.NoError(r.t, err)
		}
		content, err := json.Marshal(a["content"])
		require.NoError(r.t, err)
		client := r.client
		switch call {
		case "send":
			to, _ := a["to"].(string)
			r.send(Post{ConversationID: conversation, To: UserID(to), Content: content, ClientMsgID: a["client_msg_id"].(string)})
		case "read":
			go func() { _, _ = client.MarkRead(context.Background(), conversation, int64(a["seq"].(float64))) }()
		case "edit":
			go func() { _ = client.Edit(context.Background(), conversation, int64(a["seq"].(float64)), content) }()
		default:
			r.t.Fatalf("unknown call %s", call)
		}
	}
}

func (r *conformance) rest(step object, given any) {
	status := int(step["status"].(float64))
	eventually.NoError(r.t, fmt.Sprint("the call ", given), func() error {
		return r.server.answer(given.(object), status, step["answer"])
	})
}

func (r *conformance) expect(want object) {
	eventually.NoError(r.t, "the expected state", func() error {
		have := r.observe()
		for key, value := range want {
			if reason := fails(have[key], value); reason != "" {
				return fmt.Errorf("%s: %s", key, reason)
			}
		}
		return nil
	})
}

// observe returns what a case may expect.
func (r *conformance) observe() object {
	conversations, c := object{}, r.client
	for _, v := range c.Conversations() {
		data, err := json.Marshal(v)
		require.NoError(r.t, err)
		var decoded any
		require.NoError(r.t, json.Unmarshal(data, &decoded))
		conversations[v.ConversationID.String()] = decoded
	}
	have := object{"conversations": conversations, "count": float64(len(conversations)), "status": "offline"}
	c.mu.Lock()
	events := object{}
	for id, list := range c.events {
		seqs := []any{}
		for _, e := range list {
			seqs = append(seqs, float64(e.Seq))
		}
		events[id.String()] = seqs
	}
	resets := []any{}
	for _, epoch := range c.resets {
		resets = append(resets, epoch)
	}
	if n := len(c.statuses); n > 0 {
		have["status"] = c.statuses[n-1].State.String()
	}
	c.mu.Unlock()
	have["events"], have["resets"] = events, resets
	select {
	case <-c.done:
		var closed *Closed
		if errors.As(c.err, &closed) {
			have["status"], have["closed"] = "stopped", float64(closed.Code)
		}
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	have["sends"] = over(r.sends, nil)
	return have
}

func asFailure(reason string) error {
	if reason == "" {
		return nil
	}
	return errors.New(reason)
}
