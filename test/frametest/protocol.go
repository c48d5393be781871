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

// Protocol is asyncapi.yaml as a judge of frames. It never changes, and may be
// used from anywhere at once.
type Protocol struct{ client, server direction }

// direction holds the messages that go one way, by name.
type direction map[string]*message

// message is one message of the description.
type message struct {
	// kind is the type of the frame; event that of the event in it, if it is one.
	kind, event string
	schema      *jsonschema.Schema
	examples    []any
}

// Read reads the text of asyncapi.yaml.
func Read(text []byte) (*Protocol, error) {
	var d document
	if err := yaml.Unmarshal(text, &d.root); err != nil {
		return nil, err
	}
	open, err := compiler(d.root)
	if err != nil {
		return nil, err
	}
	closed, err := compiler(shut(d.root).(map[string]any))
	if err != nil {
		return nil, err
	}
	p := &Protocol{client: direction{}, server: direction{}}
	for _, operation := range d.object("operations") {
		operation := operation.(map[string]any)
		if operation["action"] == "send" {
			err = errors.Join(err, d.add(p.server, closed, operation["messages"]))
			continue
		}
		err = errors.Join(err, d.add(p.client, open, operation["messages"]))
		if reply, answered := operation["reply"].(map[string]any); answered {
			err = errors.Join(err, d.add(p.server, closed, reply["messages"]))
		}
	}
	return p, err
}

// FromClient returns the name of the message that a frame to the server is, or
// an error that says why it is none.
func (p *Protocol) FromClient(frame []byte) (string, error) { return p.client.judge(frame) }

// FromServer is FromClient for a frame to a client.
func (p *Protocol) FromServer(frame []byte) (string, error) { return p.server.judge(frame) }

// ClientMessages are the names of all messages to the server.
func (p *Protocol) ClientMessages() []string { return slices.Sorted(maps.Keys(p.client)) }

// ServerMessages are the names of all messages to clients.
func (p *Protocol) ServerMessages() []string { return slices.Sorted(maps.Keys(p.server)) }

// CheckExamples says what is wrong with the examples; each message needs one.
func (p *Protocol) CheckExamples() error {
	return errors.Join(p.client.checkExamples(), p.server.checkExamples())
}

func (d direction) judge(frame []byte) (string, error) {
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

// kindOf returns the type of a frame and, if it is an event, that of the event.
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
				if is, failed = d.judge(text); failed == nil && is != name {
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
