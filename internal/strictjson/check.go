package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is the maximum nesting of arrays and objects.
const MaxDepth = 64

// SyntaxError is the first place where a text is not strict JSON.
type SyntaxError struct {
	Offset  int    // bytes from the start
	Pointer string // JSON pointer (RFC 6901) of the innermost value around it; "" for the whole text
	Reason  string // for people
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Check returns a *SyntaxError unless data is one JSON value (RFC 8259) in
// valid UTF-8 without U+0000, unpaired surrogates, repeated names in one
// object, or nesting beyond MaxDepth.
func Check(data []byte) error {
	c := checker{data: data}
	return c.text()
}

// checker is a recursive-descent parser that validates a text and builds nothing.
// Methods start at the position at and leave it behind what they have read. If members
// is not nil, the members of the outermost object are appended to it.
type checker struct {
	data    []byte
	at      int
	members *[]member
}

func (c *checker) text() error {
	c.space()
	if err := c.value(0); err != nil {
		return err
	}
	c.space()
	if c.at < len(c.data) {
		return c.fail("unexpected text after the value")
	}
	return nil
}

func (c *checker) fail(reason string) error { return &SyntaxError{Offset: c.at, Reason: reason} }

// within prefixes the pointer of err with the member or element that it is in.
func within(name string, err error) error {
	if e, ok := errors.AsType[*SyntaxError](err); ok {
		e.Pointer = "/" + escape(name) + e.Pointer
	}
	return err
}

// escape returns a name as a reference token of a JSON pointer.
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

func (c *checker) space() {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end. A NUL byte is not valid anywhere, so the
// two need no distinction.
func (c *checker) peek() byte {
	if c.at < len(c.data) {
		return c.data[c.at]
	}
	return 0
}

func (c *checker) value(depth int) error {
	switch b := c.peek(); {
	case b == '{':
		return c.object(depth + 1)
	case b == '[':
		return c.array(depth + 1)
	case b == '"':
		return c.str()
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	case c.at == len(c.data):
		return c.fail("unexpected end")
	default:
		return c.fail("not a JSON value")
	}
}

func (c *checker) literal(word string) error {
	if !bytes.HasPrefix(c.data[c.at:], []byte(word)) {
		return c.fail("not a JSON value")
	}
	c.at += len(word)
	return nil
}

func (c *checker) array(depth int) error {
	if depth > MaxDepth {
		return c.fail("nested too deeply")
	}
	c.at++
	c.space()
	if c.peek() == ']' {
		c.at++
		return nil
	}
	for n := 0; ; n++ {
		c.space()
		if err := c.value(depth); err != nil {
			return within(strconv.Itoa(n), err)
		}
		c.space()
		switch c.peek() {
		case ',':
			c.at++
		case ']':
			c.at++
			return nil
		default:
			return c.fail("expected , or ]")
		}
	}
}

func (c *checker) object(depth int) error {
	if depth > MaxDepth {
		return c.fail("nested too deeply")
	}
	c.at++
	c.space()
	if c.peek() == '}' {
		c.at++
		return nil
	}
	var names nameSet
	for {
		c.space()
		if c.peek() != '"' {
			return c.fail("expected a name")
		}
		start := c.at
		if err := c.str(); err != nil {
			return err
		}
		name := bareName(c.data[start:c.at])
		if !names.add(name) {
			c.at = start
			return within(string(name), c.fail("repeated name"))
		}
		c.space()
		if c.peek() != ':' {
			return c.fail("expected :")
		}
		c.at++
		c.space()
		start = c.at
		if err := c.value(depth); err != nil {
			return within(string(name), err)
		}
		if depth == 1 && c.members != nil {
			*c.members = append(*c.members, member{name: name, value: c.data[start:c.at:c.at]})
		}
		c.space()
		switch c.peek() {
		case ',':
			c.at++
		case '}':
			c.at++
			return nil
		default:
			return c.fail("expected , or }")
		}
	}
}

func (c *checker) str() error {
	c.at++
	for c.at < len(c.data) {
		switch b := c.data[c.at]; {
		case b == '"':
			c.at++
			return nil
		case b == '\\':
			if err := c.escape(); err != nil {
				return err
			}
		case b < 0x20:
			return c.fail("control character in a string")
		case b < utf8.RuneSelf:
			c.at++
		default:
			r, size := utf8.DecodeRune(c.data[c.at:])
			if r == utf8.RuneError && size == 1 {
				return c.fail("invalid UTF-8")
			}
			c.at += size
		}
	}
	return c.fail("unexpected end of a string")
}

func (c *checker) escape() error {
	if c.at+1 >= len(c.data) {
		return c.fail("unexpected end of a string")
	}
	switch c.data[c.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.at += 2
		return nil
	case 'u':
	default:
		return c.fail("unknown escape")
	}
	unit, ok := hex4(c.data[c.at:])
	switch {
	case !ok:
		return c.fail("unknown escape")
	case unit == 0:
		return c.fail("U+0000 is not allowed")
	case unit >= 0xdc00 && unit <= 0xdfff:
		return c.fail("unpaired surrogate")
	case unit >= 0xd800 && unit <= 0xdbff:
		low, ok := hex4(c.data[c.at+6:])
		if !ok || low < 0xdc00 || low > 0xdfff {
			return c.fail("unpaired surrogate")
		}
		c.at += 6
	}
	c.at += 6
	return nil
}

// hex4 returns the value of the escape \uXXXX at the start of s.
func hex4(s []byte) (unit rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, b := range s[2:6] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(b)
	}
	return unit, true
}

func (c *checker) number() error {
	if c.peek() == '-' {
		c.at++
	}
	switch b := c.peek(); {
	case b == '0':
		c.at++
	case b >= '1' && b <= '9':
		c.digits()
	default:
		return c.fail("not a number")
	}
	if c.peek() == '.' {
		c.at++
		if !c.digits() {
			return c.fail("not a number")
		}
	}
	if b := c.peek(); b == 'e' || b == 'E' {
		c.at++
		if b := c.peek(); b == '+' || b == '-' {
			c.at++
		}
		if !c.digits() {
			return c.fail("not a number")
		}
	}
	return nil
}

func (c *checker) digits() (some bool) {
	for b := c.peek(); b >= '0' && b <= '9'; b = c.peek() {
		c.at++
		some = true
	}
	return some
}

// nameSet finds repeated names. Up to eight names are compared one by one, which needs
// no allocation; more go into a map.
type nameSet struct {
	few  [8][]byte
	n    int
	many map[string]struct{}
}

func (s *nameSet) add(name []byte) bool {
	if s.many == nil && s.n < len(s.few) {
		for _, seen := range s.few[:s.n] {
			if bytes.Equal(seen, name) {
				return false
			}
		}
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 2*len(s.few))
		for _, seen := range s.few {
			s.many[string(seen)] = struct{}{}
		}
	}
	if _, seen := s.many[string(name)]; seen {
		return false
	}
	s.many[string(name)] = struct{}{}
	return true
}
