package strictjson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Object reads the members of one JSON object by name. Its methods do not return
// errors: for a defect they record a complaint and return the zero value. After the
// last read, Complaints returns all of them. Values share the memory of the text.
type Object struct {
	pointer    string
	members    []member
	few        [8]member // backs members of up to eight: no allocation
	complaints map[string]string
}

type member struct {
	name  []byte
	value json.RawMessage
	read  bool
}

// Parse checks data and returns its object, in one pass. The error is a *SyntaxError.
// See NewObject for the pointer.
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

// NewObject returns the object of data, which must have passed Check. Data that is not
// an object is a complaint. The pointer of the object within the request ("" for the
// request itself) is the prefix of the pointers of complaints.
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

// split appends the members of data, which must have passed Check; none if it is not
// an object.
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
			return dst // cannot happen: the text was checked
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
			o.members[i].read = true
			return o.members[i].value, true
		}
	}
	return nil, false
}

// Has reports whether there is a member of that name, null included.
func (o *Object) Has(name string) bool {
	_, ok := o.Raw(name)
	return ok
}

// String returns a string member; "" if it is missing.
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

// Length returns the number of characters (code points) of a string member; 0 if it is
// missing. It copies the string only if it has escapes.
func (o *Object) Length(name string) int {
	raw, ok := o.Raw(name)
	if ok && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return utf8.RuneCount(raw) - len(`""`)
	}
	return utf8.RuneCountInString(o.String(name))
}

// Int returns an integer member. It returns false if the member is missing, and true,
// with a complaint, if it is not an integer of 64 bits.
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

// Bool returns a boolean member, or the given default if it is missing.
func (o *Object) Bool(name string, missing bool) bool {
	raw, ok := o.Raw(name)
	switch {
	case !ok:
		return missing
	case string(raw) == "true":
		return true
	case string(raw) != "false":
		o.Reject(name, "must be true or false")
	}
	return false
}

// Strings returns a member that is an array of strings; nil if it is missing.
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

// Each calls visit for every member that has not been read yet, in the order of the
// text. It is for objects whose names are data.
func (o *Object) Each(visit func(name string, value json.RawMessage)) {
	for i := range o.members {
		if !o.members[i].read {
			o.members[i].read = true
			visit(string(o.members[i].name), o.members[i].value)
		}
	}
}

// Reject records a complaint about a member, unless there is one already.
func (o *Object) Reject(name, reason string) { o.complain(o.Pointer(name), reason) }

// Pointer returns the JSON pointer (RFC 6901) of a member.
func (o *Object) Pointer(name string) string {
	return o.pointer + "/" + escape(name)
}

// Complaints returns all complaints by JSON pointer, or nil. Members that have not been
// read are unknown fields. Call it after the last read.
func (o *Object) Complaints() map[string]string {
	for i := range o.members {
		if !o.members[i].read {
			o.Reject(string(o.members[i].name), "unknown field")
		}
	}
	return o.complaints
}

func (o *Object) complain(pointer, reason string) {
	if o.complaints == nil {
		o.complaints = make(map[string]string, 1)
	}
	if _, exists := o.complaints[pointer]; !exists {
		o.complaints[pointer] = reason
	}
}

// bareName returns the value of a checked JSON string, in the memory of the text if it
// has no escapes.
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
