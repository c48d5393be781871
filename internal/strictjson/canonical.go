package strictjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// AppendCanonical appends the canonical form of data, which must have passed Check.
// Equal JSON values have equal canonical forms: no white space, names sorted by bytes,
// one spelling of strings, and numbers as exact decimals. This is the idea of RFC 8785,
// except that RFC 8785 rounds numbers to doubles.
func AppendCanonical(dst, data []byte) []byte {
	data = bytes.TrimSpace(data)
	switch data[0] {
	case '{':
		return appendObject(dst, data)
	case '[':
		return appendArray(dst, data)
	case '"':
		return appendCanonicalString(dst, bareName(data))
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return appendNumber(dst, string(data))
	default:
		return append(dst, data...)
	}
}

func appendObject(dst, data []byte) []byte {
	var few [8]member
	members := split(few[:0], data)
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendCanonicalString(dst, m.name), ':')
		dst = AppendCanonical(dst, m.value)
	}
	return append(dst, '}')
}

func appendArray(dst, data []byte) []byte {
	c := checker{data: data, at: 1}
	dst = append(dst, '[')
	for first := true; ; first = false {
		c.space()
		if c.peek() == ']' {
			return append(dst, ']')
		}
		if !first {
			dst = append(dst, ',')
		}
		start := c.at
		if c.value(0) != nil {
			return dst // cannot happen: the text was checked
		}
		dst = AppendCanonical(dst, data[start:c.at])
		c.space()
		if c.peek() == ',' {
			c.at++
		}
	}
}

// AppendString appends s, which must be valid UTF-8, as a JSON string with the same
// escapes as encoding/json.
func AppendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if b := s[i]; b < 0x20 || b >= 0x7f || b == '"' || b == '\\' {
			return appendQuoted(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// appendCanonicalString appends a JSON string in the one spelling that stored hashes
// depend on. Unlike AppendString, it leaves characters beyond ASCII, <, > and & as they
// are, unless something else in the string needs an escape.
func appendCanonicalString(dst, s []byte) []byte {
	for _, b := range s {
		if b < 0x20 || b == '"' || b == '\\' {
			return appendQuoted(dst, string(s))
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

func appendQuoted(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return dst // cannot happen: strings marshal
	}
	return append(dst, quoted...)
}

// appendNumber appends a number as sign, digits without leading and trailing zeros,
// and power of ten: 1.50, 15e-1 and 0.15E1 are all 15e-1. Zero has no sign.
func appendNumber(dst []byte, s string) []byte {
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	mantissa, power, hasPower := strings.Cut(strings.ToLower(s), "e")
	exponent := 0
	if hasPower {
		n, err := strconv.Atoi(power)
		if err != nil {
			return append(append(dst, sign...), s...) // an exponent beyond int: keep the spelling
		}
		exponent = n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	if trimmed == "" {
		return append(dst, '0')
	}
	dst = append(append(dst, sign...), trimmed...)
	return strconv.AppendInt(append(dst, 'e'), int64(exponent), 10)
}
