package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"im/domain"
	"im/internal/edge"
)

// These tests hold the table of routes and what the handlers accept against
// openapi.yaml, in both directions.

func TestRoutesAreThoseOfTheDescription(t *testing.T) {
	described := map[string]string{}
	for _, op := range readSpec(t).operations {
		kind := "token"
		if security, given := op.doc["security"].([]any); given && len(security) == 0 {
			kind = "open"
		}
		described[op.method+" "+op.template] = fmt.Sprint(op.doc["operationId"], " ", kind)
	}
	served := map[string]string{}
	for _, rt := range (&handler{}).routes() {
		served[rt.method+" "+rt.pattern] = rt.operation + " token"
	}
	for _, rt := range (&Server{}).openRoutes(Options{}) {
		served["GET "+rt.pattern] = rt.operation + " open"
	}
	for _, key := range slices.Sorted(maps.Keys(described)) {
		if served[key] != described[key] {
			t.Errorf("%s is described as %q and served as %q", key, described[key], served[key])
		}
	}
	for key := range served {
		if described[key] == "" {
			t.Errorf("%s is served and not described", key)
		}
	}
}

// TestParametersAreThoseOfTheDescription sends every operation each of its
// parameters with valid and with invalid values, and the parameters of all other
// operations.
func TestParametersAreThoseOfTheDescription(t *testing.T) {
	s := newTestServer(t)
	all := map[string]bool{"nonsense": true}
	for _, op := range s.spec.operations {
		for _, p := range s.spec.parameters(op) {
			all[p.name] = p.in != "header" || all[p.name]
		}
	}
	checked := 0
	for _, op := range s.spec.operations {
		if !strings.HasPrefix(op.template, "/v1/") {
			continue
		}
		t.Run(op.doc["operationId"].(string), func(t *testing.T) {
			c := s.validCall(t, op)
			c.accepted(t, s, "")
			known := map[string]bool{}
			for _, p := range s.spec.parameters(op) {
				checked++
				if p.in == "query" {
					known[p.name] = true
				}
				for _, value := range s.spec.validTexts(p.schema) {
					c.with(p, value).accepted(t, s, "/"+p.name)
				}
				for _, value := range s.spec.invalidTexts(p.schema) {
					if p.in == "path" && value == "" {
						continue // another path
					}
					c.with(p, value).refused(t, s, "/"+p.name)
				}
				array := p.schema["type"] == "array"
				if p.in == "query" && !array {
					value := s.spec.validTexts(p.schema)[0]
					c.with(p, value, value).refused(t, s, "/"+p.name)
				}
				if largest, limited := p.schema["maxItems"].(int); array && limited {
					value := s.spec.validTexts(p.schema)[0]
					c.with(p, slices.Repeat([]string{value}, largest)...).accepted(t, s, "/"+p.name)
					c.with(p, slices.Repeat([]string{value}, largest+1)...).refused(t, s, "/"+p.name)
				}
				if p.in == "query" && p.required {
					c.with(p).refused(t, s, "/"+p.name)
				}
			}
			for name := range all {
				if !known[name] {
					c.with(parameter{name: name, in: "query"}, "1").refused(t, s, "/"+name)
				}
			}
			if read := c.read(t, s); !maps.Equal(read, known) {
				t.Errorf("the handler reads the query parameters %v; described are %v", read, known)
			}
		})
	}
	if checked < 100 {
		t.Errorf("only %d parameters were checked", checked)
	}
}

// TestBodiesAreThoseOfTheDescription sends every operation that has a body each
// of its fields with valid and with invalid values, and the fields of all other
// operations.
func TestBodiesAreThoseOfTheDescription(t *testing.T) {
	s := newTestServer(t)
	all := map[string]bool{"nonsense": true}
	for _, op := range s.spec.operations {
		if schema := s.spec.body(op); schema != nil {
			for name := range schema["properties"].(map[string]any) {
				all[name] = true
			}
		}
	}
	checked := 0
	for _, op := range s.spec.operations {
		schema := s.spec.body(op)
		if schema == nil {
			continue
		}
		t.Run(op.doc["operationId"].(string), func(t *testing.T) {
			c, examples := s.validCall(t, op), s.spec.examples(op)
			for _, example := range examples {
				delete(example, "reply_to") // no such message
				c.body = example
				c.accepted(t, s, "")
			}
			for _, other := range []any{"text", 1, []any{}, nil} {
				c.body = other
				c.refused(t, s, "")
			}
			checked += s.checkObject(t, c, schema, examples[len(examples)-1], all, "", func(v map[string]any) any { return v })
		})
	}
	if checked < 40 {
		t.Errorf("only %d fields were checked", checked)
	}
}

// checkObject checks the fields of an object at pointer, of which example is a
// valid one; whole returns the body with another object in its place.
func (s *testServer) checkObject(
	t *testing.T, c validCall, schema, example map[string]any, all map[string]bool, pointer string, whole func(map[string]any) any,
) (checked int) {
	t.Helper()
	with := func(name string, value any) validCall {
		changed := maps.Clone(example)
		changed[name] = value
		c.body = whole(changed)
		return c
	}
	properties := schema["properties"].(map[string]any)
	for name, property := range properties {
		checked++
		field, at := s.spec.resolve(property), pointer+"/"+name
		for _, value := range s.spec.validValues(field) {
			with(name, value).accepted(t, s, at)
		}
		for _, value := range s.spec.invalidValues(field) {
			with(name, value).refused(t, s, at)
		}
		if field["additionalProperties"] == false {
			checked += s.checkObject(t, c, field, map[string]any{}, all, at, func(v map[string]any) any { return with(name, v).body })
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		without := maps.Clone(example)
		delete(without, name.(string))
		c.body = whole(without)
		c.refused(t, s, pointer+"/"+name.(string))
	}
	for name := range all {
		if properties[name] == nil {
			with(name, 1).refused(t, s, pointer+"/"+name)
		}
	}
	return checked
}

// validCall is a call of an operation with valid values.
type validCall struct {
	op     *operation
	path   map[string]string
	query  url.Values
	header []string // X-IM-User
	body   any      // nil: none
}

// validCall returns a call of op with all that is required, of a backend and in
// a conversation that exists.
func (s *testServer) validCall(t *testing.T, op *operation) validCall {
	c := validCall{op: op, path: map[string]string{}, query: url.Values{}}
	for _, p := range s.spec.parameters(op) {
		switch {
		case p.in == "path":
			c.path[p.name] = s.spec.validTexts(p.schema)[0]
		case p.in == "query" && p.required:
			c.query.Set(p.name, s.spec.validTexts(p.schema)[0])
		}
	}
	if c.path["conversation_id"] != "" {
		c.path["conversation_id"] = s.group(t).String()
	}
	if examples := s.spec.examples(op); len(examples) > 0 {
		c.body = examples[0]
	}
	return c
}

// with returns the call with other values of a parameter.
func (c validCall) with(p parameter, values ...string) validCall {
	switch p.in {
	case "path":
		c.path = maps.Clone(c.path)
		c.path[p.name] = values[0]
	case "query":
		c.query = maps.Clone(c.query)
		c.query[p.name] = values
	case "header":
		c.header = values
	}
	return c
}

func (c validCall) send(t *testing.T, s *testServer) reply {
	t.Helper()
	path := c.op.template
	for name, value := range c.path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	body, header := "", []string{}
	if s.spec.body(c.op) != nil {
		body = string(jsonOf(c.body))
	}
	for _, user := range c.header {
		header = append(header, "X-IM-User: "+user)
	}
	return s.call(t, "!shop", c.op.method, path+"?"+c.query.Encode(), body, header...)
}

// accepted fails the test if the call is refused as invalid at pointer, or in
// any way as invalid for "".
func (c validCall) accepted(t *testing.T, s *testServer, pointer string) {
	t.Helper()
	got := c.send(t, s)
	var p edge.Problem
	if got.StatusCode < 400 || json.Unmarshal(got.body, &p) != nil || p.Code != domain.CodeInvalid {
		return
	}
	for at := range p.Fields {
		if pointer == "" || at == pointer || strings.HasPrefix(at, pointer+"/") {
			t.Errorf("%v %v %s: a valid call is refused: %s", c.path, c.query, jsonOf(c.body), got.body)
		}
	}
}

// refused fails the test unless the call is refused as invalid at pointer.
func (c validCall) refused(t *testing.T, s *testServer, pointer string) {
	t.Helper()
	got := c.send(t, s)
	var p edge.Problem
	_ = json.Unmarshal(got.body, &p)
	for at := range p.Fields {
		if p.Code == domain.CodeInvalid && (at == pointer || strings.HasPrefix(at, pointer+"/")) {
			return
		}
	}
	t.Errorf("%v %v %.300s: not refused as invalid at %s: %d %s", c.path, c.query, jsonOf(c.body), pointer, got.StatusCode, got.body)
}

// read returns the names of the query parameters that the operation's handler reads.
func (c validCall) read(t *testing.T, s *testServer) map[string]bool {
	t.Helper()
	limits := domain.DefaultLimits()
	h := &handler{Backend: s.backend(limits), limits: limits, address: hostOf}
	for _, rt := range h.routes() {
		if rt.operation != c.op.doc["operationId"] {
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), c.op.method, "/?"+c.query.Encode(), bytes.NewReader(jsonOf(c.body)))
		r.Header.Set("Content-Type", "application/json")
		for name, value := range c.path {
			r.SetPathValue(name, url.PathEscape(value))
		}
		req, err := newRequest(r, caller{Actor: domain.Actor{User: "shop", Backend: true}}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		_ = rt.handle(httptest.NewRecorder(), req)
		return req.read
	}
	t.Fatalf("%s has no route", c.op.doc["operationId"])
	return nil
}

// parameter is one parameter of an operation, as it is described.
type parameter struct {
	name, in string
	required bool
	schema   map[string]any
}

// parameters returns the parameters of an operation and of its path.
func (s *spec) parameters(op *operation) []parameter {
	var list []parameter
	item := s.root["paths"].(map[string]any)[op.template].(map[string]any)
	for _, from := range []any{item["parameters"], op.doc["parameters"]} {
		docs, _ := from.([]any)
		for _, doc := range docs {
			p := s.resolve(doc)
			required, _ := p["required"].(bool)
			schema := maps.Clone(s.resolve(p["schema"]))
			if example, given := p["example"]; given && schema["type"] != "array" {
				schema["example"] = example
			}
			list = append(list, parameter{name: p["name"].(string), in: p["in"].(string), required: required, schema: schema})
		}
	}
	return list
}

// body returns the schema of an operation's body; nil if it has none.
func (s *spec) body(op *operation) map[string]any {
	body, given := op.doc["requestBody"].(map[string]any)
	if !given {
		return nil
	}
	return s.resolve(body["content"].(map[string]any)["application/json"].(map[string]any)["schema"])
}

// examples returns the examples of an operation's body.
func (s *spec) examples(op *operation) []map[string]any {
	body, given := op.doc["requestBody"].(map[string]any)
	if !given {
		return nil
	}
	media := body["content"].(map[string]any)["application/json"].(map[string]any)
	if example, given := media["example"].(map[string]any); given {
		return []map[string]any{example}
	}
	var list []map[string]any
	examples := media["examples"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		list = append(list, examples[name].(map[string]any)["value"].(map[string]any))
	}
	return list
}

// resolve returns a part of the document, or what it refers to.
func (s *spec) resolve(v any) map[string]any {
	doc := v.(map[string]any)
	ref, is := doc["$ref"].(string)
	if !is {
		return doc
	}
	at := any(s.root)
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(map[string]any)[step]
	}
	return at.(map[string]any)
}

// validTexts returns values of a parameter; the first is an example.
func (s *spec) validTexts(schema map[string]any) []string {
	if schema["type"] == "array" {
		return s.validTexts(s.resolve(schema["items"]))
	}
	if example, given := schema["example"]; given {
		return []string{fmt.Sprint(example)}
	}
	var list []string
	for _, value := range s.validValues(schema) {
		list = append(list, fmt.Sprint(value))
	}
	return list
}

// invalidTexts returns values that a parameter must not have.
func (s *spec) invalidTexts(schema map[string]any) []string {
	if schema["type"] == "array" {
		return s.invalidTexts(s.resolve(schema["items"]))
	}
	if schema["type"] != "string" {
		list := []string{"nonsense", "", "1.5", "99999999999999999999"}
		for _, value := range s.outside(schema) {
			list = append(list, fmt.Sprint(value))
		}
		return list
	}
	var list []string
	for _, value := range s.outside(schema) {
		list = append(list, value.(string))
	}
	return list
}

// validValues returns values that a field may have.
func (s *spec) validValues(schema map[string]any) []any {
	var list []any
	if example, given := schema["example"]; given {
		list = append(list, example)
	}
	if schema["nullable"] == true {
		list = append(list, nil)
	}
	if words, given := schema["enum"].([]any); given {
		return append(list, words...)
	}
	switch schema["type"] {
	case nil:
		list = append(list, nil, 1, "text", []any{}, map[string]any{"a": 1})
	case "integer":
		list = append(list, schema["minimum"])
		if largest, given := schema["maximum"]; given {
			list = append(list, largest)
		}
	case "boolean":
		list = append(list, true, false)
	case "string":
		if schema["pattern"] == nil && schema["format"] == nil {
			list = append(list, "x")
		}
		if largest, given := schema["maxLength"].(int); given {
			list = append(list, strings.Repeat("é", largest))
		}
	}
	return list
}

// invalidValues returns values that a field must not have.
func (s *spec) invalidValues(schema map[string]any) []any {
	list := s.outside(schema)
	if schema["nullable"] != true && schema["type"] != nil {
		list = append(list, nil)
	}
	if schema["type"] == "array" {
		for _, item := range s.invalidValues(s.resolve(schema["items"])) {
			list = append(list, []any{item})
		}
	}
	for kind, value := range map[string]any{
		"string": "1", "integer": 1, "boolean": true, "array": []any{}, "object": map[string]any{}, "number": 1.5,
	} {
		if schema["type"] != nil && schema["type"] != kind {
			list = append(list, value)
		}
	}
	return list
}

// outside returns values of the schema's type that its limits do not allow.
func (s *spec) outside(schema map[string]any) []any {
	var list []any
	if least, given := schema["minimum"].(int); given {
		list = append(list, least-1)
	}
	if largest, given := schema["maximum"].(int); given {
		list = append(list, largest+1)
	}
	if least, given := schema["minLength"].(int); given {
		list = append(list, strings.Repeat("x", least-1))
	}
	if largest, given := schema["maxLength"].(int); given {
		list = append(list, strings.Repeat("é", largest+1))
	}
	if least, given := schema["minItems"].(int); given && least > 0 {
		list = append(list, []any{})
	}
	if schema["enum"] != nil {
		list = append(list, "", "nonsense")
	}
	if schema["format"] == "date-time" {
		list = append(list, "", "nonsense", "2026-01-02", "2026-01-02 03:04:05Z")
	}
	if pattern, given := schema["pattern"].(string); given {
		allowed := regexp.MustCompile(pattern)
		for _, text := range []string{"", " ", "a b", "a/b", "é", "a\n", strings.Repeat("a", 65), strings.Repeat("a", 129)} {
			if !allowed.MatchString(text) {
				list = append(list, text)
			}
		}
	}
	return list
}
