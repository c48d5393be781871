package rest

import (
	"bytes"
	"encoding/json"
	"net/http"

	"im/domain"
)

// writeJSON answers with v. It does not escape text for HTML.
func writeJSON(w http.ResponseWriter, status int, v any) { writeBytes(w, status, jsonOf(v)) }

// jsonOf returns the JSON of an answer, or of a frame for sockets.
func jsonOf(v any) json.RawMessage {
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
	_, _ = w.Write(body) // an error means that the client is gone
}

// writeEvent answers with an event, in the same bytes as everywhere.
func writeEvent(w http.ResponseWriter, status int, e *domain.Event) {
	writeBytes(w, status, e.AppendJSON(make([]byte, 0, e.Size())))
}

// writeEvents answers {"events":[…]}.
func writeEvents(w http.ResponseWriter, status int, events []domain.Event) {
	writeBytes(w, status, append(domain.AppendEvents([]byte(`{"events":`), events), '}'))
}

// writeResult answers with v, or returns the error of the call that made v.
func writeResult[T any](w http.ResponseWriter, v T, err error) error {
	if err == nil {
		writeJSON(w, http.StatusOK, v)
	}
	return err
}

// writeChange answers a change with the first event that it made, or with 204 if
// there is none. It returns the error of the change.
func writeChange(w http.ResponseWriter, events []domain.Event, err error) error {
	switch {
	case err != nil:
		return err
	case len(events) == 0:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeEvent(w, http.StatusOK, &events[0])
	}
	return nil
}

// writeDone answers with 204, or returns the error of the call.
func writeDone(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// fields is a page that encodes itself, without its braces.
type fields interface {
	AppendFields([]byte) []byte
	Size() int
}

var _, _, _ fields = (*domain.EventPage)(nil), (*domain.MessagePage)(nil), (*domain.SyncPage)(nil)

// writePage answers with a page, in the same bytes as in frames, or returns the
// error of the call that made it.
func writePage(w http.ResponseWriter, p fields, err error) error {
	if err == nil {
		body := append(make([]byte, 0, p.Size()), '{')
		writeBytes(w, http.StatusOK, append(p.AppendFields(body), '}'))
	}
	return err
}

// writeYAML returns a handler that answers with a description.
func writeYAML(text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(text) // an error means that the client is gone
	}
}

// response remembers whether an answer has begun.
type response struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	r.begun = true
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	r.begun = true
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }
