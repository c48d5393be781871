package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"go.yaml.in/yaml/v3"
)

// node is a value of a YAML document. A nil node stands for a value that is absent, and
// has no fields, items or text. Fields keep the order of the document.
type node struct {
	*yaml.Node
	root *yaml.Node
}

// field is one field of a mapping.
type field struct {
	name  string
	value node
}

// parse reads a document.
func parse(text []byte) (node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return node{}, err
	}
	if len(document.Content) != 1 {
		return node{}, fmt.Errorf("the document is empty")
	}
	return node{document.Content[0], document.Content[0]}, nil
}

func (n node) exists() bool { return n.Node != nil }

// get returns the value at a path of fields.
func (n node) get(path ...string) node {
	for _, name := range path {
		n = n.child(name)
	}
	return n
}

func (n node) child(name string) node {
	for _, f := range n.fields() {
		if f.name == name {
			return f.value
		}
	}
	return node{root: n.root}
}

func (n node) fields() (list []field) {
	if n.Node == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		list = append(list, field{n.Content[i].Value, node{n.Content[i+1], n.root}})
	}
	return list
}

func (n node) items() (list []node) {
	if n.Node == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range n.Content {
		list = append(list, node{item, n.root})
	}
	return list
}

// text returns a scalar; "" for anything else.
func (n node) text() string {
	if n.Node == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// list returns the scalars of a sequence.
func (n node) list() (texts []string) {
	for _, item := range n.items() {
		texts = append(texts, item.text())
	}
	return texts
}

// ref returns the path of a reference, such as [components schemas Event]; nil for
// another value.
func (n node) ref() []string {
	path, ok := strings.CutPrefix(n.get("$ref").text(), "#/")
	if !ok {
		return nil
	}
	return strings.Split(path, "/")
}

// resolve follows references.
func (n node) resolve() node {
	for ref := n.ref(); ref != nil; ref = n.ref() {
		n = node{n.root, n.root}.get(ref...)
	}
	return n
}

// asJSON returns the value as indented JSON.
func (n node) asJSON() string {
	if n.Node == nil {
		return ""
	}
	var compact, indented bytes.Buffer
	n.encode(&compact)
	if err := json.Indent(&indented, compact.Bytes(), "", "  "); err != nil {
		panic(err) // encode writes JSON
	}
	return strings.TrimSpace(indented.String())
}

func (n node) encode(b *bytes.Buffer) {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i, f := range n.fields() {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, f.name)
			b.WriteByte(':')
			f.value.encode(b)
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.items() {
			if i > 0 {
				b.WriteByte(',')
			}
			item.encode(b)
		}
		b.WriteByte(']')
	default:
		var value any
		if err := n.Decode(&value); err != nil || n.Tag == "!!timestamp" {
			value = n.Value
		}
		writeJSON(b, value)
	}
}

func writeJSON(b *bytes.Buffer, value any) {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // scalars always marshal
	}
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough))

// prose returns Markdown as HTML. Raw HTML in it is left out.
func prose(text string) template.HTML {
	var b bytes.Buffer
	if err := markdown.Convert([]byte(text), &b); err != nil {
		panic(err) // a buffer accepts all writes
	}
	return template.HTML(b.String()) //nolint:gosec // goldmark escapes text and leaves raw HTML out
}

// inline is prose without the paragraph around it, for cells of tables.
func inline(text string) template.HTML {
	html := strings.TrimSpace(string(prose(text)))
	if body, ok := strings.CutPrefix(html, "<p>"); ok && strings.Count(html, "<p>") == 1 {
		html = strings.TrimSuffix(body, "</p>")
	}
	return template.HTML(html) //nolint:gosec // see prose
}
