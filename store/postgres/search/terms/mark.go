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
	at := make([][]term, len(found.terms)) // by position
	for i := range at {
		at[i] = found.terms[i : i+1 : i+1]
	}
	for _, e := range found.extras {
		at[e.place-1] = append(at[e.place-1], e.term)
	}
	var spans []Span
	for _, a := range q.phrases {
		for _, p := range a {
			for i := range at {
				spans = p.mark(spans, at[i:])
			}
		}
	}
	return merged(spans)
}

// mark adds the spans of the phrase if it matches from the first of the positions on.
func (p phrase) mark(spans []Span, at [][]term) []Span {
	before := len(spans)
	for _, s := range p {
		if s.place >= len(at) {
			return spans[:before]
		}
		i := slices.IndexFunc(at[s.place], s.matches)
		if i < 0 {
			return spans[:before]
		}
		t := at[s.place][i]
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

// merged sorts spans and merges those that touch.
func merged(spans []Span) []Span {
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
