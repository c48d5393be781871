package faultproxy

import (
	"net/http"
	"strings"
	"sync"
)

// deny swallows the frame that says what was left out.
func deny() Lie {
	return Lie{Narrow: true, Down: func(_ *Conn, f map[string]any) []map[string]any {
		if f["type"] == "gap" {
			return nil
		}
		return one(f)
	}}
}

// deepen gives pages that begin at a floor one event more, from below it.
func deepen() Lie {
	return Lie{
		Down: func(_ *Conn, f map[string]any) []map[string]any {
			if f["type"] == "page" {
				sink(f, "events")
			}
			return one(f)
		},
		Answer: func(r *http.Response, body map[string]any) {
			if strings.HasSuffix(r.Request.URL.Path, "/events") {
				sink(body, "events")
			}
		},
	}
}

// exhume does so with lists of messages.
func exhume() Lie {
	return Lie{Answer: func(r *http.Response, body map[string]any) {
		if strings.HasSuffix(r.Request.URL.Path, "/messages") {
			sink(body, "messages")
		}
	}}
}

// sink puts a copy of the first item of a page before it, numbered below the floor.
func sink(page map[string]any, name string) {
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

// omit leaves the last message out of lists.
func omit() Lie {
	return Lie{Answer: func(r *http.Response, body map[string]any) {
		if items, _ := body["messages"].([]any); strings.HasSuffix(r.Request.URL.Path, "/messages") && len(items) > 1 {
			body["messages"] = items[:len(items)-1]
		}
	}}
}

// lower tells members that they may read from 1 on.
func lower() Lie {
	return Lie{Answer: func(r *http.Response, body map[string]any) {
		list, _ := body["conversations"].([]any)
		for _, v := range list {
			if v, ok := v.(map[string]any); ok && strings.HasSuffix(r.Request.URL.Path, "/sync") {
				v["floor_seq"] = 1
			}
		}
	}}
}

// reveal gives edits that are pushed without content the content that others were
// shown, or else an invented one.
func reveal() Lie {
	var mu sync.Mutex
	type place struct{ id, seq any }
	seen := map[place]any{}
	return Lie{Down: func(_ *Conn, f map[string]any) []map[string]any {
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

// conceal takes the content out of edits that are pushed.
func conceal() Lie {
	return Lie{Down: func(_ *Conn, f map[string]any) []map[string]any {
		if e := eventOf(f); e != nil && e["type"] == "message.edited" {
			body, _ := e["body"].(map[string]any)
			delete(body, "content")
		}
		return one(f)
	}}
}

// expose shows of open groups to others how far they have come.
func expose() Lie {
	return Lie{Answer: func(_ *http.Response, body map[string]any) {
		if body["member_count"] != nil && body["head_seq"] == nil {
			body["head_seq"] = 1
		}
	}}
}
