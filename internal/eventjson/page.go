// Package eventjson decodes pages of events in one pass, where encoding/json reads each
// event four times. A client that reconnects may get many such pages.
//
// It is a package of its own because the benchmark of catching up decodes with it too:
// it measures what package client does, without callbacks, positions and
// acknowledgements.
package eventjson

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/go-faster/jx"

	"im/domain"
)

// DecodePage decodes a page of events. Unknown fields are ignored, as the contract asks
// of clients. The page shares no memory with data.
func DecodePage(data []byte) (page domain.EventPage, err error) {
	d := jx.DecodeBytes(data)
	err = members(d, func(d *jx.Decoder, key []byte) (err error) {
		switch string(key) {
		case "conversation_id":
			err = conversationID(d, &page.ConversationID)
		case "epoch":
			page.Epoch, err = d.Str()
		case "events":
			err = d.Arr(func(d *jx.Decoder) error {
				page.Events = append(page.Events, domain.Event{})
				return event(d, &page.Events[len(page.Events)-1])
			})
		case "from_seq":
			page.FromSeq, err = d.Int64()
		case "to_seq":
			page.ToSeq, err = d.Int64()
		case "head_seq":
			page.HeadSeq, err = d.Int64()
		case "floor_seq":
			page.FloorSeq, err = d.Int64()
		case "has_more":
			page.HasMore, err = d.Bool()
		case "users":
			var raw jx.Raw
			if raw, err = d.Raw(); err == nil {
				err = json.Unmarshal(raw, &page.Users)
			}
		default:
			err = d.Skip()
		}
		return err
	})
	if err != nil {
		return domain.EventPage{}, fmt.Errorf("page of events: %w", err)
	}
	return page, nil
}

// event decodes one event into e.
func event(d *jx.Decoder, e *domain.Event) error {
	return members(d, func(d *jx.Decoder, key []byte) (err error) {
		switch string(key) {
		case "conversation_id":
			err = conversationID(d, &e.ConversationID)
		case "seq":
			e.Seq, err = d.Int64()
		case "type":
			var text []byte
			if text, err = d.StrBytes(); err == nil {
				e.Type = eventType(text)
			}
		case "sender":
			var text string
			text, err = d.Str()
			e.Sender = domain.UserID(text)
		case "client_msg_id":
			e.ClientMsgID, err = d.Str()
		case "at":
			var raw jx.Raw
			if raw, err = d.Raw(); err == nil {
				err = e.At.UnmarshalJSON(raw)
			}
		case "body":
			var raw jx.Raw
			raw, err = d.Raw()
			e.Body = json.RawMessage(bytes.Clone(raw))
		default:
			err = d.Skip()
		}
		return err
	})
}

// members decodes the members of an object. A member that is null counts as absent,
// except a body, which may be any JSON.
func members(d *jx.Decoder, member func(d *jx.Decoder, key []byte) error) error {
	return d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if d.Next() == jx.Null && string(key) != "body" {
			return d.Null()
		}
		return member(d, key)
	})
}

// conversationID decodes the text form of an id into id.
func conversationID(d *jx.Decoder, id *domain.ConversationID) error {
	text, err := d.StrBytes()
	if err != nil {
		return err
	}
	return id.UnmarshalText(text)
}

// eventType returns the type of an event. The most frequent one needs no allocation.
func eventType(text []byte) domain.EventType {
	if string(text) == string(domain.MessagePosted) {
		return domain.MessagePosted
	}
	return domain.EventType(text)
}
