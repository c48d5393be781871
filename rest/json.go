package rest

import (
	"bytes"
	"encoding/json"
	"net/http"

	"im/domain"
)

// writeJSON answers with v. Text stays as it is: nothing is escaped for HTML.
func writeJSON(w http.ResponseWriter, status int, v any) { writeBytes(w, status, frameOf(v)) }

// frameOf encodes what an answer or a frame for sockets says.
func frameOf(v any) json.RawMessage {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // the domain's views always marshal
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n"))
}

func writeBytes(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a reader who went away needs no answer
}

// writeEvent answers with an event, the same bytes as everywhere.
func writeEvent(w http.ResponseWriter, status int, e *domain.Event) {
	writeBytes(w, status, e.AppendJSON(make([]byte, 0, e.Size())))
}

// writeEvents answers {"events":[…]}.
func writeEvents(w http.ResponseWriter, status int, events []domain.Event) {
	writeBytes(w, status, append(appendEvents([]byte("{"), events), '}'))
}

// writeEventPage answers with a page whose events are the same bytes as
// everywhere; encoding/json would take the white space out of their bodies.
func writeEventPage(w http.ResponseWriter, p domain.EventPage) {
	size := 512
	for i := range p.Events {
		size += p.Events[i].Size()
	}
	rest, err := json.Marshal(struct {
		domain.EventPage
		Events *struct{} `json:"events,omitempty"` // hides the page's
	}{EventPage: p})
	if err != nil {
		panic(err) // pages always marshal
	}
	body := append(appendEvents(append(make([]byte, 0, size), '{'), p.Events), ',')
	writeBytes(w, http.StatusOK, append(body, rest[1:]...))
}

func appendEvents(dst []byte, events []domain.Event) []byte {
	dst = append(dst, `"events":[`...)
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = events[i].AppendJSON(dst)
	}
	return append(dst, ']')
}
