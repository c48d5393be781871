package faultproxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Faults returns the faults by name. Each function returns a new instance.
func Faults() map[string]func() Fault {
	return map[string]func() Fault{
		"drops an event":                   drop,
		"swaps two events":                 swap,
		"duplicates an event":              double,
		"invents an event":                 invent,
		"alters content":                   alter,
		"answers what it did not pass on":  swallowSend,
		"sends under another id":           changeClientMsgID,
		"answers with another seq":         changeSeq,
		"serves a log with a hole":         dropFromLog,
		"miscounts unread messages":        miscount,
		"pushes after the removal":         pushAfterRemoval,
		"pushes to a stranger":             pushToStranger,
		"delays an event":                  delay,
		"never pushes the last events":     mute,
		"swaps two sends":                  swapSends,
		"answers strangers":                answerStrangers,
		"swallows a gap":                   dropGap,
		"pulls from below the floor":       pageBelowFloor,
		"lists from below the floor":       listBelowFloor,
		"leaves a message out of a list":   dropLastListed,
		"names a lower floor":              lowerFloor,
		"shows edits from below the floor": revealEdit,
		"hides the content of an edit":     concealEdit,
		"shows the head of an open group":  exposeHead,
	}
}

// counter spaces out the occurrences of a fault.
type counter struct {
	mu sync.Mutex
	n  int
}

// every reports whether this is the k-th, 2k-th, … call.
func (c *counter) every(k int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n%k == 0
}

func one(f map[string]any) []map[string]any { return []map[string]any{f} }

// eventOf returns the event of an event frame, else nil.
func eventOf(f map[string]any) map[string]any {
	if f["type"] != "event" {
		return nil
	}
	e, _ := f["event"].(map[string]any)
	return e
}

func isPosting(e map[string]any) bool { return e != nil && e["type"] == "message.posted" }

func numberOf(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// clone copies a frame as JSON does.
func clone(f map[string]any) map[string]any {
	copied, _ := parse(encode(f))
	return copied
}

func drop() Fault {
	n := new(counter)
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if isPosting(eventOf(f)) && n.every(50) {
			return nil
		}
		return one(f)
	}}
}

func swap() Fault {
	n, held := new(counter), map[*Conn]map[string]any{}
	var mu sync.Mutex
	return Fault{Down: func(c *Conn, f map[string]any) []map[string]any {
		mu.Lock()
		defer mu.Unlock()
		e := eventOf(f)
		if before := held[c]; before != nil && e != nil && eventOf(before)["conversation_id"] == e["conversation_id"] {
			delete(held, c)
			return []map[string]any{f, before}
		}
		if isPosting(e) && held[c] == nil && n.every(20) {
			held[c] = f
			return nil
		}
		return one(f)
	}}
}

func double() Fault {
	n := new(counter)
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if isPosting(eventOf(f)) && n.every(50) {
			return []map[string]any{f, f}
		}
		return one(f)
	}}
}

func invent() Fault {
	n := new(counter)
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if e := eventOf(f); isPosting(e) && n.every(50) {
			invented := clone(f)
			eventOf(invented)["seq"] = numberOf(e["seq"]) + 1
			eventOf(invented)["client_msg_id"] = "never-sent"
			return []map[string]any{f, invented}
		}
		return one(f)
	}}
}

func alter() Fault {
	n := new(counter)
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if e := eventOf(f); isPosting(e) && n.every(20) {
			body, _ := e["body"].(map[string]any)
			body["content"] = map[string]any{"type": "text", "text": "altered"}
		}
		return one(f)
	}}
}

func swallowSend() Fault {
	n := new(counter)
	return Fault{Up: func(c *Conn, f map[string]any) []map[string]any {
		if f["type"] == "send" && f["conversation_id"] != nil && n.every(10) {
			c.Push(map[string]any{
				"type": "sent", "id": f["id"], "conversation_id": f["conversation_id"], "client_msg_id": f["client_msg_id"],
				"seq": 3, "at": time.Now().UTC(), "duplicate": false,
			})
			return nil
		}
		return one(f)
	}}
}

func changeClientMsgID() Fault {
	n := new(counter)
	return Fault{Up: func(_ *Conn, f map[string]any) []map[string]any {
		if f["type"] == "send" && n.every(10) {
			other := clone(f)
			other["id"], other["client_msg_id"] = "x", fmt.Sprint(f["client_msg_id"], "x")
			return []map[string]any{f, other}
		}
		return one(f)
	}}
}

func changeSeq() Fault {
	n := new(counter)
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if f["type"] == "sent" && n.every(10) {
			f["seq"] = numberOf(f["seq"]) + 1
		}
		return one(f)
	}}
}

func dropFromLog() Fault {
	return Fault{Answer: func(r *http.Response, body map[string]any) {
		events, _ := body["events"].([]any)
		if strings.HasSuffix(r.Request.URL.Path, "/events") && len(events) > 5 {
			body["events"] = append(events[:3:3], events[4:]...)
		}
	}}
}

func miscount() Fault {
	return Fault{Answer: func(r *http.Response, body map[string]any) {
		list, _ := body["conversations"].([]any)
		for _, v := range list {
			if v, ok := v.(map[string]any); ok && strings.HasSuffix(r.Request.URL.Path, "/sync") {
				v["unread_count"] = numberOf(v["unread_count"]) + 1
			}
		}
		if body["unread_total"] != nil {
			body["unread_total"] = numberOf(body["unread_total"]) + int64(len(list))
		}
	}}
}

func pushAfterRemoval() Fault {
	return Fault{Down: func(c *Conn, f map[string]any) []map[string]any {
		e := eventOf(f)
		if e == nil || e["type"] != "member.removed" {
			return one(f)
		}
		if body, _ := e["body"].(map[string]any); body["user_id"] != c.User {
			return one(f)
		}
		again := clone(f)
		eventOf(again)["seq"] = numberOf(e["seq"]) + 1
		return []map[string]any{f, again}
	}}
}

// pushToStranger pushes an event to a user who is not a member: neither named in the
// creation nor added since.
func pushToStranger() Fault {
	n, in := new(counter), map[any]map[any]bool{}
	var mu sync.Mutex
	var last map[string]any
	return Fault{Down: func(c *Conn, f map[string]any) []map[string]any {
		e := eventOf(f)
		if e == nil {
			return one(f)
		}
		mu.Lock()
		defer mu.Unlock()
		id := e["conversation_id"]
		if in[id] == nil {
			in[id] = map[any]bool{}
		}
		in[id][c.User] = true
		before := last
		last = clone(f)
		if before == nil || !n.every(30) {
			return one(f)
		}
		if foreign := eventOf(before)["conversation_id"]; !in[foreign][c.User] {
			return []map[string]any{f, before}
		}
		return one(f)
	}}
}

// delay holds one event back, and with it all events after it, while everything
// else passes.
func delay() Fault {
	n, held := new(counter), map[*Conn][]map[string]any{}
	var mu sync.Mutex
	return Fault{Down: func(c *Conn, f map[string]any) []map[string]any {
		mu.Lock()
		defer mu.Unlock()
		if eventOf(f) == nil {
			return one(f)
		}
		if list, holding := held[c]; holding {
			held[c] = append(list, f)
			return nil
		}
		if !n.every(60) {
			return one(f)
		}
		held[c] = []map[string]any{f}
		time.AfterFunc(Delay, func() {
			mu.Lock()
			defer mu.Unlock()
			c.Push(held[c]...)
			delete(held, c)
		})
		return nil
	}}
}

// Delay is how long an event is delayed.
const Delay = 4 * time.Second

// mute stops pushing events to a socket after the first 40.
func mute() Fault {
	var mu sync.Mutex
	seen := map[*Conn]int{}
	return Fault{Down: func(c *Conn, f map[string]any) []map[string]any {
		mu.Lock()
		defer mu.Unlock()
		if eventOf(f) == nil {
			return one(f)
		}
		if seen[c]++; seen[c] > 40 {
			return nil
		}
		return one(f)
	}}
}

// swapSends lets a send pass the one before it on the same socket.
func swapSends() Fault {
	var mu sync.Mutex
	held := map[*Conn]map[string]any{}
	return Fault{Up: func(c *Conn, f map[string]any) []map[string]any {
		mu.Lock()
		defer mu.Unlock()
		if f["type"] != "send" {
			return one(f)
		}
		if before := held[c]; before != nil {
			delete(held, c)
			return []map[string]any{f, before}
		}
		held[c] = f
		time.AfterFunc(2*time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			if late := held[c]; late != nil && late["id"] == f["id"] {
				delete(held, c)
				c.Pass(late)
			}
		})
		return nil
	}}
}

// answerStrangers answers whoever asks for a conversation that is not theirs.
func answerStrangers() Fault {
	return Fault{Answer: func(r *http.Response, _ map[string]any) {
		if r.StatusCode == http.StatusNotFound && r.Request.Method == http.MethodGet {
			r.StatusCode, r.Status = http.StatusOK, "200 OK"
		}
	}}
}
