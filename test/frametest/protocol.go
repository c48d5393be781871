package frametest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Protocol validates frames against asyncapi.yaml. It may be used concurrently.
type Protocol struct{ client, server direction }

// direction holds the messages of one direction, by name.
type direction map[string]*message

// message is one message of the description.
type message struct {
	// kind is the type of the frame. event is the type of the event in it, if it
	// is an event frame.
	kind, event string
	schema      *jsonschema.Schema
	examples    []any
}

// Read parses the text of asyncapi.yaml.
func Read(text []byte) (*Protocol, error) {
	var d document
	if err := yaml.Unmarshal(text, &d.root); err != nil {
		return nil, err
	}
	open, err := compiler(d.root)
	if err != nil {
		return nil, err
	}
	strict, err := compiler(closed(d.root).(map[string]any))
	if err != nil {
		return nil, err
	}
	p := &Protocol{client: direction{}, server: direction{}}
	for _, operation := range d.object("operations") {
		operation := operation.(map[string]any)
		if operation["action"] == "send" {
			err = errors.Join(err, d.add(p.server, strict, operation["messages"]))
			continue
		}
		err = errors.Join(err, d.add(p.client, open, operation["messages"]))
		if reply, answered := operation["reply"].(map[string]any); answered {
			err = errors.Join(err, d.add(p.server, strict, reply["messages"]))
		}
	}
	return p, err
}

// FromClient returns the name of the message that a client's frame is, and an error
// if the frame is not as described.
func (p *Protocol) FromClient(frame []byte) (string, error) { return p.client.validate(frame) }

// FromServer is FromClient for a server's frame.
func (p *Protocol) FromServer(frame []byte) (string, error) { return p.server.validate(frame) }

// ClientMessages returns the names of all messages from clients.
func (p *Protocol) ClientMessages() []string { return slices.Sorted(maps.Keys(p.client)) }

// ServerMessages returns the names of all messages from the server.
func (p *Protocol) ServerMessages() []string { return slices.Sorted(maps.Keys(p.server)) }

// CheckExamples returns an error for each invalid example, and for each message
// without one.
func (p *Protocol) CheckExamples() error {
	return errors.Join(p.client.checkExamples(), p.server.checkExamples())
}

func (d direction) validate(frame []byte) (string, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		return "", err
	}
	kind, event := kindOf(value)
	for name, m := range d {
		if m.kind == kind && m.event == event {
			return name, m.schema.Validate(value)
		}
	}
	return "", fmt.Errorf("no frame of type %q with an event of type %q is described", kind, event)
}

// kindOf returns the type of a frame and, if it is an event frame, that of the event.
func kindOf(frame any) (kind, event string) {
	object, _ := frame.(map[string]any)
	kind, _ = object["type"].(string)
	if kind == "event" {
		inner, _ := object["event"].(map[string]any)
		event, _ = inner["type"].(string)
	}
	return kind, event
}

func (d direction) checkExamples() (err error) {
	for name, m := range d {
		if len(m.examples) == 0 {
			err = errors.Join(err, fmt.Errorf("%s has no example", name))
		}
		for _, example := range m.examples {
			text, failed := json.Marshal(example)
			if failed == nil {
				var is string
				if is, failed = d.validate(text); failed == nil && is != name {
					failed = fmt.Errorf("it is a %s", is)
				}
			}
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("an example of %s: %w", name, failed))
			}
		}
	}
	return err
}
