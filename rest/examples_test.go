package rest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestExamplesAreAsDescribed checks every example of openapi.yaml against its schema.
func TestExamplesAreAsDescribed(t *testing.T) {
	s := readSpec(t)
	checked := 0
	check := func(where, pointer string, example any) {
		t.Helper()
		checked++
		text, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		schema, err := s.compiler.Compile("openapi.json" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v\n%s", where, err, text)
		}
	}
	components := s.root["components"].(map[string]any)
	for name, schema := range components["schemas"].(map[string]any) {
		if example, there := schema.(map[string]any)["example"]; there {
			check(name, "#/components/schemas/"+name, example)
		}
	}
	visit(s.root, func(media map[string]any) {
		schema, _ := media["schema"].(map[string]any)
		ref, _ := schema["$ref"].(string)
		if ref == "" {
			return
		}
		if example, there := media["example"]; there {
			check(ref, ref, example)
		}
		examples, _ := media["examples"].(map[string]any)
		for name, example := range examples {
			check(ref+" "+name, ref, example.(map[string]any)["value"])
		}
	})
	if checked < 30 {
		t.Errorf("only %d examples were found", checked)
	}
}

// visit calls f with every object of a document.
func visit(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			visit(item, f)
		}
	case map[string]any:
		f(v)
		for _, item := range v {
			visit(item, f)
		}
	}
}
