package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"im/domain"
	"im/internal/strictjson"
	"im/realtime/wire"
)

const maxRequestID = 64 // code points

// handle handles one frame of a session. An invalid frame is answered. handle
// fails with a wire.CloseCode or an error of the connection, to end the socket.
func (k *socket) handle(ctx context.Context, data []byte) error {
	o, err := strictjson.Parse("", data)
	if err != nil {
		k.g.metrics.frame("")
		k.queue.Send(wire.Error(looseID(data), domain.InvalidJSON("", err)))
		return nil
	}
	kind, began := o.String("type"), time.Now()
	k.g.metrics.frame(kind)
	id := requestID(o)
	switch kind {
	case "hello":
		err = k.renew(ctx, id, o)
	case "ack":
		err = k.ack(ctx, o)
	case "typing":
		err = k.typing(ctx, id, o)
	case "watch":
		err = k.watch(id, o)
	case "ping":
		err = k.ping(ctx, id, o)
	case "read":
		err = k.read(ctx, id, o)
	case "send", "sync", "pull":
		requireField(o, "id")
		err = k.request(ctx, kind, id, o)
	default:
		err = unknownType(o)
	}
	if err != nil || !answeredLater(kind) {
		k.g.metrics.done(kind, began, err)
	}
	var code wire.CloseCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		return err
	default:
		k.queue.Send(wire.Error(id, err))
	}
	return nil
}

// answeredLater reports whether the answer to a request comes from another goroutine,
// which then counts it.
func answeredLater(kind string) bool {
	switch kind {
	case "send", "sync", "pull", "read", "typing":
		return true
	default:
		return false
	}
}

func (k *socket) request(ctx context.Context, kind, id string, o *strictjson.Object) error {
	switch kind {
	case "send":
		return k.send(ctx, id, o)
	case "sync":
		return k.sync(ctx, id, o)
	default:
		return k.pull(ctx, id, o)
	}
}

// requestID reads the id of a request; "" if it has none, or no valid one.
func requestID(o *strictjson.Object) string {
	id := o.String("id")
	if n := utf8.RuneCountInString(id); o.Has("id") && (n == 0 || n > maxRequestID) {
		o.Reject("id", "must be 1 to 64 characters")
		return ""
	}
	return id
}

// looseID reads the id of a frame that is JSON but not strict JSON, so that the
// client knows which request was refused; "" if it cannot be read.
func looseID(data []byte) string {
	var frame struct {
		ID string `json:"id"`
	}
	damaged := func() bool { return strings.ContainsAny(frame.ID, "\x00\ufffd") }
	if json.Unmarshal(data, &frame) != nil || utf8.RuneCountInString(frame.ID) > maxRequestID || damaged() {
		return ""
	}
	return frame.ID
}

func unknownType(o *strictjson.Object) error {
	if !o.Has("type") {
		return domain.Invalid("/type", "required")
	}
	return domain.Invalid("/type", "unknown type of frame")
}

// The functions below read fields. What is wrong with a field they record in the
// object, for invalidFields.

// invalidFields returns an ErrInvalid that names the invalid fields; nil if there
// are none.
func invalidFields(o *strictjson.Object) error {
	fields := o.Complaints()
	if fields == nil {
		return nil
	}
	e := *domain.ErrInvalid
	e.Fields = fields
	return &e
}

// reasonOf returns the reason in the error of one field.
func reasonOf(err error) string {
	var e *domain.Error
	if errors.As(err, &e) {
		for _, reason := range e.Fields {
			return reason
		}
	}
	return "is not valid"
}

func requireField(o *strictjson.Object, name string) {
	if !o.Has(name) {
		o.Reject(name, "required")
	}
}

func conversationID(o *strictjson.Object) domain.ConversationID {
	requireField(o, "conversation_id")
	id, err := domain.ParseConversationID("/conversation_id", o.String("conversation_id"))
	if err != nil {
		o.Reject("conversation_id", reasonOf(err))
	}
	return id
}

// seqOf reads a seq; nil if there is none.
func seqOf(o *strictjson.Object, name string) *int64 {
	seq, ok := o.Int(name)
	if !ok {
		return nil
	}
	if seq < 0 {
		o.Reject(name, "must not be negative")
	}
	return &seq
}

// intBetween reads a number of [low, high]; absent is the value if there is none.
func intBetween(o *strictjson.Object, name string, absent, low, high int) int {
	n, ok := o.Int(name)
	switch {
	case !ok:
		return absent
	case n < int64(low) || n > int64(high):
		o.Reject(name, "out of range")
	}
	return int(n)
}
