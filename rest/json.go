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
	writeBytes(w, status, append(domain.AppendEvents([]byte(`{"events":`), events), '}'))
}

// fields is a page that encodes itself, but for its braces.
type fields interface {
	AppendFields([]byte) []byte
	Size() int
}

var _, _, _ fields = (*domain.EventPage)(nil), (*domain.MessagePage)(nil), (*domain.SyncPage)(nil)

// writePage answers with a page, as it is in frames.
func writePage(w http.ResponseWriter, p fields) {
	body := append(make([]byte, 0, p.Size()), '{')
	writeBytes(w, http.StatusOK, append(p.AppendFields(body), '}'))
}
