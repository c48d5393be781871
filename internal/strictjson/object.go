package strictjson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Object reads the members of one JSON object by name and gathers what is
// wrong with them. It shares the memory of the text. Methods never fail: they
// note the complaint, return the zero value, and Complaints tells in the end.
type Object struct {
	pointer    string
	members    []member
	few        [8]member // the memory of most objects
	complaints map[string]string
}

type member struct {
	name  []byte
	value json.RawMessage
	asked bool
}

// Parse is Check, and NewObject of what passed it.
func Parse(pointer string, data []byte) (*Object, error) {
	o := &Object{pointer: pointer}
	o.members = o.few[:0]
	c := checker{data: data, members: &o.members}
	if err := c.text(); err != nil {
		return nil, err
	}
	o.mustBeObject(data)
	return o, nil
}

// NewObject splits data, which must have passed Check. The pointer of the
// object in the request ("" for the request itself) prefixes every complaint.
func NewObject(pointer string, data []byte) *Object {
	o := &Object{pointer: pointer}
	o.members = split(o.few[:0], data)
	o.mustBeObject(data)
	return o
}

func (o *Object) mustBeObject(data []byte) {
	if data = bytes.TrimLeft(data, " \t\r\n"); len(data) == 0 || data[0] != '{' {
		o.members = nil
		o.complain(o.pointer, "must be an object")
	}
}

// split appends the members of an object that has passed Check; none of anything
// else.
func split(dst []member, data []byte) []member {
	c := checker{data: data}
	c.space()
	if c.peek() != '{' {
		return dst
	}
	c.at++
	for {
		c.space()
		if c.peek() == '}' {
			return dst
		}
		start := c.at
		if c.str() != nil {
			return dst // cannot happen: the text was checked
		}
		name := bareName(data[start:c.at])
		c.space()
		c.at++ // the colon
		c.space()
		start = c.at
		if c.value(0) != nil {
			return dst // cannot happen, either
		}
		dst = append(dst, member{name: name, value: data[start:c.at:c.at]})
		c.space()
		if c.peek() == ',' {
			c.at++
		}
	}
}

// Raw returns the text of a member as it was sent.
func (o *Object) Raw(name string) (json.RawMessage, bool) {
	for i := range o.members {
		if string(o.members[i].name) == name {
			o.members[i].asked = true
			return o.members[i].value, true
		}
	}
	return nil, false
}

// Has tells whether there is a member of that name, null or not.
func (o *Object) Has(name string) bool {
	_, ok := o.Raw(name)
	return ok
}

// String returns a string member; "" where it is missing.
func (o *Object) String(name string) string {
	raw, ok := o.Raw(name)
	if !ok {
		return ""
	}
	if raw[0] != '"' {
		o.Reject(name, "must be a string")
		return ""
	}
	return unquote(raw)
}

// Length returns how many characters a string member has, without copying it;
// 0 where it is missing.
func (o *Object) Length(name string) int {
	raw, ok := o.Raw(name)
	if ok && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return utf8.RuneCount(raw) - len(`""`)
	}
	return utf8.RuneCountInString(o.String(name))
}

// Int returns an integer member, and whether there is one.
func (o *Object) Int(name string) (int64, bool) {
	raw, ok := o.Raw(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		o.Reject(name, "must be an integer")
		return 0, true
	}
	return n, true
}

// Bool returns a boolean member; otherwise where it is missing.
func (o *Object) Bool(name string, otherwise bool) bool {
	raw, ok := o.Raw(name)
	switch {
	case !ok:
		return otherwise
	case string(raw) == "true":
		return true
	case string(raw) != "false":
		o.Reject(name, "must be true or false")
	}
	return false
}

// Strings returns a member that is an array of strings; nil where it is missing.
func (o *Object) Strings(name string) []string {
	raw, ok := o.Raw(name)
	if !ok {
		return nil
	}
	var list []*string
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		o.Reject(name, "must be an array of strings")
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			o.Reject(name, "must be an array of strings")
			return nil
		}
		out[i] = *s
	}
	return out
}

// Each calls visit with every member that has not been asked for by name, in
// the order of the text: for objects whose names are data.
func (o *Object) Each(visit func(name string, value json.RawMessage)) {
	for i := range o.members {
		if !o.members[i].asked {
			o.members[i].asked = true
			visit(string(o.members[i].name), o.members[i].value)
		}
	}
}

// Reject notes a complaint about a member; the first one about it stays.
func (o *Object) Reject(name, reason string) { o.complain(o.Pointer(name), reason) }

// Pointer returns the JSON pointer (RFC 6901) of a member.
func (o *Object) Pointer(name string) string {
	return o.pointer + "/" + escape(name)
}

// Complaints returns what is wrong, by JSON pointer, members that nobody
// asked for included; nil when nothing is.
func (o *Object) Complaints() map[string]string {
	for i := range o.members {
		if !o.members[i].asked {
			o.Reject(string(o.members[i].name), "unknown field")
		}
	}
	return o.complaints
}

func (o *Object) complain(pointer, reason string) {
	if o.complaints == nil {
		o.complaints = make(map[string]string, 1)
	}
	if _, there := o.complaints[pointer]; !there {
		o.complaints[pointer] = reason
	}
}

// bareName returns the name that a checked JSON string is, in the memory of the
// text wherever it can.
func bareName(quoted []byte) []byte {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return []byte(unquote(quoted))
}

// unquote returns the value of a checked JSON string.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return string(inner) // cannot happen: the text was checked
	}
	return s
}
