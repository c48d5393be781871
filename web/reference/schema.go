package reference

import (
	"html/template"
	"slices"
	"strings"
)

// row is one field of an object.
type row struct {
	Name        string
	Required    bool
	Type        template.HTML
	Description template.HTML
	Fields      []row // of an object that has no name of its own
}

// schemas describes the schemas of one document. Named ones link to their section.
type schemas struct {
	prefix string // of the ids of sections: "rest-" or "frames-"
}

// id returns the id of the section of a named schema.
func (s schemas) id(name string) string { return s.prefix + name }

// words returns the type of a schema and its limits, as in "array of UserID, at most 3".
func (s schemas) words(n node) template.HTML {
	if ref := n.ref(); ref != nil {
		name := ref[len(ref)-1]
		return template.HTML(`<a href="#` + template.HTMLEscapeString(s.id(name)) + `">` + template.HTMLEscapeString(name) + `</a>`) //nolint:gosec // escaped
	}
	if all := n.get("allOf").items(); len(all) > 0 && !n.get("properties").exists() {
		return s.words(all[0]) // a reference with a description of its own
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		var options []string
		for _, option := range n.get(choice).items() {
			if option.ref() != nil || option.get("type").exists() {
				options = append(options, string(s.words(option)))
			}
		}
		if len(options) > 0 {
			return template.HTML(strings.Join(options, " or ")) //nolint:gosec // made by words
		}
	}
	var text string
	switch items, values := n.get("items"), n.get("additionalProperties"); {
	case n.get("const").exists():
		text = code(n.get("const").asJSON())
	case items.exists():
		text = "array of " + string(s.words(items))
	case len(values.fields()) > 0:
		text = "object of " + string(s.words(values))
	case len(n.get("enum").items()) > 0:
		var options []string
		for _, option := range n.get("enum").items() {
			options = append(options, code(option.asJSON()))
		}
		text = strings.Join(options, ", ")
	default:
		text = template.HTMLEscapeString(typeName(n))
	}
	text += template.HTMLEscapeString(limits(n))
	return template.HTML(text) //nolint:gosec // escaped
}

func code(text string) string { return "<code>" + template.HTMLEscapeString(text) + "</code>" }

// typeName returns the type, and whether null is allowed.
func typeName(n node) string {
	names := n.get("type").list()
	if name := n.get("type").text(); name != "" {
		names = []string{name}
	}
	if n.get("nullable").text() == "true" && !slices.Contains(names, "null") {
		names = append(names, "null")
	}
	if len(names) == 0 {
		return "any JSON"
	}
	return strings.Join(names, " or ")
}

// limits returns the limits of a schema, as in ", 1 to 500".
func limits(n node) string {
	var text string
	for _, limit := range []struct{ low, high, unit string }{
		{"minimum", "maximum", ""}, {"minLength", "maxLength", " characters"}, {"minItems", "maxItems", " items"}, {"minProperties", "maxProperties", " fields"},
	} {
		low, high := n.get(limit.low).text(), n.get(limit.high).text()
		switch {
		case low != "" && high != "":
			text += ", " + low + " to " + high + limit.unit
		case low != "":
			text += ", at least " + low + limit.unit
		case high != "":
			text += ", at most " + high + limit.unit
		}
	}
	return text
}

// rows returns the fields of an object, those of its parts (allOf) included.
func (s schemas) rows(n node) (list []row) {
	n = n.resolve()
	for _, part := range n.get("allOf").items() {
		list = append(list, s.rows(part)...)
	}
	required := n.get("required").list()
	for _, f := range n.get("properties").fields() {
		r := row{
			Name: f.name, Required: slices.Contains(required, f.name), Type: s.words(f.value),
			Description: inline(describe(f.value)),
		}
		if inner := f.value; inner.ref() == nil {
			if items := inner.get("items"); items.exists() && items.ref() == nil {
				inner = items
			}
			r.Fields = s.rows(inner)
		}
		list = append(list, r)
	}
	return list
}

// describe returns the description of a field; without one, the first paragraph of that of
// the schema it refers to.
func describe(n node) string {
	if text := n.get("description").text(); text != "" {
		return text
	}
	first, _, _ := strings.Cut(n.resolve().get("description").text(), "\n\n")
	return first
}

// schema is a named schema.
type schema struct {
	ID, Name    string
	Description template.HTML
	Type        template.HTML // "" for an object
	Fields      []row
	Example     string
}

// named returns the named schemas of a document.
func (s schemas) named(components node) (list []schema) {
	for _, f := range components.get("schemas").fields() {
		one := schema{
			ID: s.id(f.name), Name: f.name, Description: prose(f.value.get("description").text()),
			Fields: s.rows(f.value), Example: f.value.get("example").asJSON(),
		}
		if len(one.Fields) == 0 {
			one.Type = s.words(f.value)
		}
		list = append(list, one)
	}
	return list
}
