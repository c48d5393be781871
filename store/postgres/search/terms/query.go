package terms

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minPrefix is the minimum number of characters of a prefix of a word.
const minPrefix = 2

// Query is a parsed query: a text matches if it has one phrase of each element.
type Query struct{ phrases []alternatives }

// alternatives are the ways to write one part of a query: as it was typed and, if links
// join some of its words, with the joined words.
type alternatives []phrase

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
			if a := newAlternatives(chunk); a != nil {
				q.phrases = append(q.phrases, a)
				beginning = !quoted
			}
		}
		quoted = !quoted
	}
	if beginning {
		for _, p := range q.phrases[len(q.phrases)-1] {
			p.open()
		}
	}
	return q, len(q.phrases) > 0
}

// withPlainQuotes makes one of the double quotes that keyboards write. One between two
// Hebrew letters is a mark of an abbreviation, and becomes the character for that.
func withPlainQuotes(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		switch r {
		case '“', '”', '„', '＂', '"':
			runes[i] = '"'
			if i > 0 && i+1 < len(runes) && unicode.Is(unicode.Hebrew, runes[i-1]) && unicode.Is(unicode.Hebrew, runes[i+1]) {
				runes[i] = '״'
			}
		}
	}
	return string(runes)
}

// newAlternatives returns the ways to write a text, or nil if the text has no terms. The
// sign before the first word and that after the last one must be there; other signs and
// punctuation make no difference.
func newAlternatives(text string) (a alternatives) {
	found := split(text)
	n := len(found.terms)
	if n == 0 {
		return nil
	}
	before, after := found.extra(signBefore, 1), found.extra(signAfter, n)
	a = append(a, newPhrase(found.terms, before, after))
	if short := found.join(before != nil, after != nil); len(short) < n {
		a = append(a, newPhrase(short, before, after))
	}
	return a
}

// extra returns the extra term of a kind at a position; nil if there is none.
func (f *tokens) extra(kind extraKind, place int) *extra {
	i := slices.IndexFunc(f.extras, func(e extra) bool { return e.kind == kind && e.place == place })
	if i < 0 {
		return nil
	}
	return &f.extras[i]
}

// join returns the terms with joined words in place of their parts, at new positions.
// Words of which a sign counts are not joined.
func (f *tokens) join(before, after bool) (short []term) {
	next := 1
	for _, t := range f.terms {
		if t.place < next {
			continue
		}
		next = t.place + 1
		if whole := f.extra(joined, t.place); whole != nil {
			end := t.place + whole.words
			if (!before || t.place > 1) && (!after || end <= len(f.terms)) {
				t, next = whole.term, end
			}
		}
		t.place = len(short) + 1
		short = append(short, t)
	}
	return short
}

// newPhrase returns the phrase of some terms, of which the first has a sign before it and
// the last one after it, unless that is nil.
func newPhrase(found []term, before, after *extra) (p phrase) {
	for i, t := range found {
		alone := t.single && !t.pair
		if alone && i > 0 && found[i-1].pair {
			continue // the pair before covers it
		}
		s := step{text: t.text, prefix: alone, place: i}
		if before != nil && i == 0 {
			s.text = before.text
		}
		if after != nil && i == len(found)-1 {
			if before != nil && i == 0 {
				p = append(p, s)
			}
			s.text = after.text
		}
		p = append(p, s)
	}
	return p
}

// open makes the last word match as a prefix.
func (p phrase) open() {
	last := &p[len(p)-1]
	r, _ := utf8.DecodeLastRuneInString(last.text)
	if kindOf(r) == word && utf8.RuneCountInString(last.text) >= minPrefix {
		last.prefix = true
	}
}

// TSQuery returns the text form of a tsquery for the query.
func (q Query) TSQuery() string {
	var b strings.Builder
	for i, a := range q.phrases {
		if i > 0 {
			b.WriteString(" & ")
		}
		b.WriteByte('(')
		for i, p := range a {
			if i > 0 {
				b.WriteString(" | ")
			}
			p.write(&b)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// write writes the phrase as a tsquery.
func (p phrase) write(b *strings.Builder) {
	for i, s := range p {
		if i > 0 {
			b.WriteString(" <" + strconv.Itoa(s.place-p[i-1].place) + "> ")
		}
		quote(b, s.text)
		if s.prefix {
			b.WriteString(":*")
		}
	}
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
