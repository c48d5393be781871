package terms

import (
	"cmp"
	"slices"
	"strings"
)

// Span is the code points [Start, End) of a text.
type Span struct{ Start, End int }

// Mark returns the matches of the query in a text: ascending spans that do not touch.
func (q Query) Mark(text string) []Span {
	found := split(text)
	var spans []Span
	for _, p := range q.phrases {
		for i := range found {
			spans = p.mark(spans, found[i:])
		}
	}
	return joined(spans)
}

// mark adds the spans of the phrase if it matches from the first of the terms on. Each
// position has one term.
func (p phrase) mark(spans []Span, found []term) []Span {
	before := len(spans)
	for _, s := range p {
		if s.place >= len(found) || !s.matches(found[s.place]) {
			return spans[:before]
		}
		t := found[s.place]
		span := Span{t.start, t.end}
		if s.prefix && t.pair {
			span.End = t.first
		}
		spans = append(spans, span)
	}
	return spans
}

func (s step) matches(t term) bool {
	return t.text == s.text || s.prefix && strings.HasPrefix(t.text, s.text)
}

// joined sorts spans and merges those that touch.
func joined(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End)) })
	var list []Span
	for _, s := range spans {
		if n := len(list); n > 0 && s.Start <= list[n-1].End {
			list[n-1].End = max(list[n-1].End, s.End)
			continue
		}
		list = append(list, s)
	}
	return list
}
