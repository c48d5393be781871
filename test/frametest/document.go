package frametest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is the description as a tree of JSON values.
type document struct{ root map[string]any }

const location = "asyncapi.json"

// compiler returns a compiler of the schemas of a description. Schemas that do not
// name a draft are of draft 7.
func compiler(root map[string]any) (*jsonschema.Compiler, error) {
	text, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	return c, c.AddResource(location, value)
}

// closed returns a copy of a schema in which objects may have only the fields that
// they describe, and in which the placeholders for later versions match nothing.
func closed(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = closed(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v)+1)
		for name, value := range v {
			object[name] = closed(value)
			if strings.HasPrefix(name, "Unknown") {
				object[name] = false
			}
		}
		if _, stated := v["additionalProperties"]; !stated && v["type"] == "object" && v["properties"] != nil {
			object["additionalProperties"] = false
		}
		return object
	default:
		return v
	}
}

// object returns the object at a path of names; nil if there is none.
func (d document) object(path ...string) map[string]any {
	object := d.root
	for _, name := range path {
		object, _ = object[name].(map[string]any)
	}
	return object
}

// add adds the messages that the list of an operation refers to.
func (d document) add(to direction, schemas *jsonschema.Compiler, list any) error {
	refs, _ := list.([]any)
	for _, ref := range refs {
		name := target(ref)
		if to[name] != nil {
			continue // another operation has it, too
		}
		if target(d.object("channels", "socket", "messages", name)) != name {
			return fmt.Errorf("%s is not a message of the channel", name)
		}
		m, err := d.message(schemas, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		to[name] = m
	}
	return nil
}

func (d document) message(schemas *jsonschema.Compiler, name string) (*message, error) {
	schema, err := schemas.Compile(location + "#/components/messages/" + name + "/payload")
	if err != nil {
		return nil, err
	}
	m := &message{schema: schema}
	fields := d.object("components", "messages", name, "payload", "properties")
	m.kind = constant(fields["type"])
	if inner := target(fields["event"]); inner != "" {
		m.event = constant(d.object("components", "schemas", inner, "properties")["type"])
	}
	examples, _ := d.object("components", "messages", name)["examples"].([]any)
	for _, example := range examples {
		m.examples = append(m.examples, example.(map[string]any)["payload"])
	}
	return m, nil
}

// constant returns the only value that the schema of a string allows; "" if there is
// none.
func constant(schema any) string {
	object, _ := schema.(map[string]any)
	value, _ := object["const"].(string)
	return value
}

// target returns the last step of a reference; "" if v is none.
func target(v any) string {
	object, _ := v.(map[string]any)
	ref, _ := object["$ref"].(string)
	return ref[strings.LastIndex(ref, "/")+1:]
}

// unused returns the names of a kind of components that are not referred to.
func (d document) unused(kind string) []string {
	text, err := json.Marshal(d.root)
	if err != nil {
		return []string{err.Error()}
	}
	var names []string
	for name := range d.object("components", kind) {
		if !bytes.Contains(text, []byte(`"#/components/`+kind+`/`+name+`"`)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
