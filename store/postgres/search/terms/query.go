package terms

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minPrefix is the minimum number of characters of a prefix of a word.
const minPrefix = 2

// Query is a parsed query: a text matches if it has all of the phrases.
type Query struct{ phrases []phrase }

// phrase is terms at relative positions.
type phrase []step

type step struct {
	text   string
	prefix bool // matches every term with this prefix
	place  int  // counted from the first step
}

// ParseQuery parses what a user typed: words, and phrases in double quotes. The last word
// matches as a prefix, unless it is in quotes. It returns false if there are no terms.
func ParseQuery(typed string) (Query, bool) {
	var q Query
	beginning, quoted := false, false
	for part := range strings.SplitSeq(withPlainQuotes(typed), `"`) {
		chunks := []string{part}
		if !quoted {
			chunks = strings.FieldsFunc(part, unicode.IsSpace)
		}
		for _, chunk := range chunks {
			if p := newPhrase(chunk); p != nil {
				q.phrases = append(q.phrases, p)
				beginning = !quoted
			}
		}
		quoted = !quoted
	}
	if beginning {
		q.phrases[len(q.phrases)-1].open()
	}
	return q, len(q.phrases) > 0
}

// withPlainQuotes makes one of the double quotes that keyboards write.
func withPlainQuotes(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '“', '”', '„', '＂':
			return '"'
		}
		return r
	}, s)
}

// newPhrase returns the phrase of a text, or nil if the text has no terms.
func newPhrase(text string) (p phrase) {
	found := split(text)
	for i, t := range found {
		alone := t.single && !t.pair
		if alone && i > 0 && found[i-1].pair {
			continue // the pair before covers it
		}
		p = append(p, step{text: t.text, prefix: alone, place: t.place - found[0].place})
	}
	return p
}

// open makes the last word match as a prefix.
func (p phrase) open() {
	last := &p[len(p)-1]
	r, _ := utf8.DecodeRuneInString(last.text)
	if kindOf(r) == word && utf8.RuneCountInString(last.text) >= minPrefix {
		last.prefix = true
	}
}

// TSQuery returns the text form of a tsquery for the query.
func (q Query) TSQuery() string {
	var b strings.Builder
	for i, p := range q.phrases {
		if i > 0 {
			b.WriteString(" & ")
		}
		p.write(&b)
	}
	return b.String()
}

// write writes the phrase as a tsquery.
func (p phrase) write(b *strings.Builder) {
	b.WriteByte('(')
	for i, s := range p {
		if i > 0 {
			b.WriteString(" <" + strconv.Itoa(s.place-p[i-1].place) + "> ")
		}
		quote(b, s.text)
		if s.prefix {
			b.WriteString(":*")
		}
	}
	b.WriteByte(')')
}

// AnyOf returns the text form of a tsquery that matches one of the labels. There must be
// at least one.
func AnyOf(labels []string) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, label := range labels {
		if i > 0 {
			b.WriteString(" | ")
		}
		quote(&b, label)
	}
	b.WriteByte(')')
	return b.String()
}
