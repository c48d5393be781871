package faultproxy

import (
	"net/http"
	"strings"
	"sync"
)

// dropGap swallows the frame that says what was left out.
func dropGap() Fault {
	return Fault{Narrow: true, Down: func(_ *Conn, f map[string]any) []map[string]any {
		if f["type"] == "gap" {
			return nil
		}
		return one(f)
	}}
}

// pageBelowFloor gives pages that begin at a floor one event more, from below it.
func pageBelowFloor() Fault {
	return Fault{
		Down: func(_ *Conn, f map[string]any) []map[string]any {
			if f["type"] == "page" {
				prependBelowFloor(f, "events")
			}
			return one(f)
		},
		Answer: func(r *http.Response, body map[string]any) {
			if strings.HasSuffix(r.Request.URL.Path, "/events") {
				prependBelowFloor(body, "events")
			}
		},
	}
}

// listBelowFloor does so with lists of messages.
func listBelowFloor() Fault {
	return Fault{Answer: func(r *http.Response, body map[string]any) {
		if strings.HasSuffix(r.Request.URL.Path, "/messages") {
			prependBelowFloor(body, "messages")
		}
	}}
}

// prependBelowFloor puts a copy of the first item of a page before it, numbered below the floor.
func prependBelowFloor(page map[string]any, name string) {
	items, _ := page[name].([]any)
	floor := numberOf(page["floor_seq"])
	if len(items) == 0 || floor <= 1 {
		return
	}
	first, _ := items[0].(map[string]any)
	lower := clone(first)
	lower["seq"] = floor - 1
	page[name] = append([]any{lower}, items...)
}

// dropLastListed leaves the last message out of lists.
func dropLastListed() Fault {
	return Fault{Answer: func(r *http.Response, body map[string]any) {
		if items, _ := body["messages"].([]any); strings.HasSuffix(r.Request.URL.Path, "/messages") && len(items) > 1 {
			body["messages"] = items[:len(items)-1]
		}
	}}
}

// lowerFloor tells members that they may read from 1 on.
func lowerFloor() Fault {
	return Fault{Answer: func(r *http.Response, body map[string]any) {
		list, _ := body["conversations"].([]any)
		for _, v := range list {
			if v, ok := v.(map[string]any); ok && strings.HasSuffix(r.Request.URL.Path, "/sync") {
				v["floor_seq"] = 1
			}
		}
	}}
}

// revealEdit gives edits that are pushed without content the content that others were
// shown, or else an invented one.
func revealEdit() Fault {
	var mu sync.Mutex
	type place struct{ id, seq any }
	seen := map[place]any{}
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		e := eventOf(f)
		if e == nil || e["type"] != "message.edited" {
			return one(f)
		}
		mu.Lock()
		defer mu.Unlock()
		at := place{e["conversation_id"], e["seq"]}
		switch body, _ := e["body"].(map[string]any); {
		case body["content"] != nil:
			seen[at] = body["content"]
		case seen[at] != nil:
			body["content"] = seen[at]
		default:
			body["content"] = map[string]any{"type": "text", "text": "edited"}
		}
		return one(f)
	}}
}

// concealEdit takes the content out of edits that are pushed.
func concealEdit() Fault {
	return Fault{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if e := eventOf(f); e != nil && e["type"] == "message.edited" {
			body, _ := e["body"].(map[string]any)
			delete(body, "content")
		}
		return one(f)
	}}
}

// exposeHead shows of open groups to others how far they have come.
func exposeHead() Fault {
	return Fault{Answer: func(_ *http.Response, body map[string]any) {
		if body["member_count"] != nil && body["head_seq"] == nil {
			body["head_seq"] = 1
		}
	}}
}
