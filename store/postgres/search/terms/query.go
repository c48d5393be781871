package terms

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minPrefix is how many characters the beginning of a word has at least.
const minPrefix = 2

// Query is what somebody looks for: phrases that all have to be there.
type Query struct{ phrases []phrase }

// phrase is terms in their places.
type phrase []step

type step struct {
	text   string
	prefix bool // terms that begin so will do
	place  int  // counted from the first step
}

// ParseQuery reads what a user typed: words, what is written together, and what
// stands in double quotes. The last word may be the beginning of one, unless it is
// in quotes. False: there is nothing to look for.
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

// newPhrase is nil if there is nothing in the text.
func newPhrase(text string) (p phrase) {
	found := split(text)
	for i, t := range found {
		alone := t.single && !t.pair
		if alone && i > 0 && found[i-1].pair {
			continue // it is in the pair
		}
		p = append(p, step{text: t.text, prefix: alone, place: t.place - found[0].place})
	}
	return p
}

// open lets the last word be the beginning of one.
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

// write adds the phrase as a tsquery.
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

// AnyOf returns the text form of a tsquery for what has one of the labels, of
// which there is one at least.
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
