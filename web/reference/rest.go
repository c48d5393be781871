package reference

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// group is the operations of a tag.
type group struct {
	Name        string
	Description template.HTML
	Operations  []operation
}

// operation is one REST call.
type operation struct {
	ID, Method, Path, Summary string
	Description               template.HTML
	Open                      bool // it needs no token
	Parameters                []parameter
	Body                      *body
	Answers                   []answer
	Curl                      string
}

// parameter is a value in the path, the query or a header.
type parameter struct {
	row

	In, Example string
}

// body is a request body.
type body struct {
	Type     template.HTML
	Fields   []row
	Examples []example
}

type example struct{ Name, JSON string }

// answer is what a call may answer with.
type answer struct {
	Status      string
	Description template.HTML
	Type        template.HTML
}

// rest describes openapi.yaml.
type rest struct {
	document node
	schemas  schemas
}

// groups returns the operations by their tags, in the order of the document.
func (r rest) groups() (list []group) {
	index := map[string]int{}
	for i, tag := range r.document.get("tags").items() {
		name := tag.get("name").text()
		index[name] = i
		list = append(list, group{Name: name, Description: prose(tag.get("description").text())})
	}
	for _, path := range r.document.get("paths").fields() {
		for _, method := range path.value.fields() {
			if method.name == "parameters" {
				continue
			}
			op := r.operation(path, method)
			tag := method.value.get("tags").list()[0]
			list[index[tag]].Operations = append(list[index[tag]].Operations, op)
		}
	}
	return list
}

func (r rest) operation(path, method field) operation {
	n := method.value
	op := operation{
		ID: n.get("operationId").text(), Method: strings.ToUpper(method.name), Path: path.name, Summary: n.get("summary").text(),
		Description: prose(n.get("description").text()), Open: n.get("security").exists() && len(n.get("security").items()) == 0,
	}
	for _, of := range []node{path.value, n} {
		for _, p := range of.get("parameters").items() {
			op.Parameters = append(op.Parameters, r.parameter(p.resolve()))
		}
	}
	if content := n.get("requestBody").resolve().get("content", "application/json"); content.exists() {
		op.Body = &body{Type: r.schemas.words(content.get("schema")), Fields: r.schemas.rows(content.get("schema")), Examples: examples(content)}
	}
	for _, status := range n.get("responses").fields() {
		op.Answers = append(op.Answers, r.answer(status))
	}
	op.Curl = curl(op)
	return op
}

func (r rest) parameter(p node) parameter {
	example := p.get("example")
	if !example.exists() {
		example = p.get("schema").resolve().get("example")
	}
	return parameter{
		row: row{
			Name: p.get("name").text(), Required: p.get("required").text() == "true", Type: r.schemas.words(p.get("schema")),
			Description: inline(p.get("description").text()),
		},
		In: p.get("in").text(), Example: example.text(),
	}
}

func (r rest) answer(status field) answer {
	n := status.value.resolve()
	a := answer{Status: status.name, Description: inline(n.get("description").text())}
	for _, content := range n.get("content").fields() {
		if s := content.value.get("schema"); s.exists() {
			a.Type = r.schemas.words(s)
		}
	}
	if a.Status == "default" {
		a.Status = "other"
	}
	return a
}

// examples returns the examples of a body, or of the schema of it.
func examples(content node) (list []example) {
	for _, f := range content.get("examples").fields() {
		list = append(list, example{f.name, f.value.resolve().get("value").asJSON()})
	}
	for _, n := range []node{content.get("example"), content.get("schema").resolve().get("example")} {
		if n.exists() && len(list) == 0 {
			list = append(list, example{"", n.asJSON()})
		}
	}
	return list
}

// curl returns a command that makes the call with the examples of its parameters. The
// script of the page replaces the host by that of the page.
func curl(op operation) string {
	path, query := op.Path, url.Values{}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(p.Example), 1)
		case p.In == "query" && p.Required:
			query.Set(p.Name, p.Example)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	command := "curl -s"
	if op.Method != http.MethodGet {
		command += " -X " + op.Method
	}
	command += " 'http://127.0.0.1:8080" + path + "'"
	if !op.Open {
		command += " \\\n  -H \"Authorization: Bearer $TOKEN\""
	}
	if op.Body != nil && len(op.Body.Examples) > 0 {
		command += " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(op.Body.Examples[0].JSON, "'", `'\''`) + "'"
	}
	return command
}
