package search

import (
	"encoding/json"
	"unicode"

	"im/domain"
	"im/store/postgres/search/terms"
)

const (
	fragmentBefore = 40  // code points before the first match
	fragmentChars  = 160 // code points
	maxCluster     = 16  // code points of a grapheme cluster that stay together
)

// highlights returns a fragment for each field of a content that matches.
func highlights(q terms.Query, content json.RawMessage) []domain.Highlight {
	list := []domain.Highlight{}
	for _, f := range domain.TextFields(content) {
		if spans := q.Mark(f.Text); len(spans) > 0 {
			list = append(list, fragment(f, spans))
		}
	}
	return list
}

// fragment returns the part of a field around its first span.
func fragment(f domain.TextField, spans []terms.Span) domain.Highlight {
	text := []rune(f.Text)
	from := graphemeStart(text, max(0, spans[0].Start-fragmentBefore))
	to := graphemeStart(text, min(len(text), from+fragmentChars))
	h := domain.Highlight{Field: f.Name, Fragment: string(text[from:to]), Offset: from, Ranges: []domain.TextRange{}}
	for _, s := range spans {
		if start, end := max(s.Start, from), min(s.End, to); start < end {
			h.Ranges = append(h.Ranges, domain.TextRange{Start: start - from, Length: end - start})
		}
	}
	return h
}

// graphemeStart returns the start of the grapheme cluster at a position, roughly: a cut must
// not separate marks, joiners or skin tones from their base character.
func graphemeStart(text []rune, at int) int {
	for n := 0; n < maxCluster && at > 0 && at < len(text) && (joins(text[at]) || text[at-1] == '\u200d'); n++ {
		at--
	}
	return at
}

func joins(r rune) bool {
	return unicode.IsMark(r) || r == '\u200d' || '\U0001F3FB' <= r && r <= '\U0001F3FF'
}
