package search

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"im/domain"
	"im/store/postgres/search/terms"
)

const (
	fragmentBefore = 40  // code points before the first match
	fragmentChars  = 160 // code points
	// maxCluster is how many code points of a grapheme cluster stay together. Emojis and
	// letters have fewer; text with thousands of marks must not make a fragment longer.
	maxCluster = 64
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

// boundary is a place between two grapheme clusters of a text.
type boundary struct{ char, offset int } // in code points and in bytes

// fragment returns the part of a field around its first span. The fragment and its ranges
// begin and end between grapheme clusters, so that no emoji or letter is cut or marked in
// part.
func fragment(f domain.TextField, spans []terms.Span) domain.Highlight {
	around := boundaries(f.Text, max(0, spans[0].Start-fragmentBefore))
	from, to := around[0], around[len(around)-1]
	h := domain.Highlight{Field: f.Name, Fragment: f.Text[from.offset:to.offset], Offset: from.char, Ranges: []domain.TextRange{}}
	end := from.char // of the last range
	for _, s := range spans {
		if s.Start >= to.char || s.End <= end {
			continue
		}
		whole := widen(s, around)
		if n := len(h.Ranges); n > 0 && whole.Start <= end {
			h.Ranges[n-1].Length += whole.End - end
		} else {
			h.Ranges = append(h.Ranges, domain.TextRange{Start: whole.Start - from.char, Length: whole.End - whole.Start})
		}
		end = whole.End
	}
	return h
}

// widen returns the span up to the boundaries around it.
func widen(s terms.Span, around []boundary) terms.Span {
	whole := terms.Span{Start: around[0].char, End: around[len(around)-1].char}
	for _, b := range around {
		if b.char <= s.Start {
			whole.Start = b.char
		}
		if b.char >= s.End {
			whole.End = b.char
			break
		}
	}
	return whole
}

// boundaries returns the boundaries from the last one at or before a code point on, for
// at most fragmentChars.
func boundaries(text string, char int) (list []boundary) {
	at := safeBoundary(text, char)
	list = append(list, at)
	rest, state := text[at.offset:], -1
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		for cluster != "" {
			piece := clusterPiece(cluster)
			cluster = cluster[len(piece):]
			at = boundary{at.char + utf8.RuneCountInString(piece), at.offset + len(piece)}
			if at.char <= char {
				list = list[:0]
			}
			if len(list) > 0 && at.char > list[0].char+fragmentChars {
				return list
			}
			list = append(list, at)
		}
	}
	return list
}

// clusterPiece returns the first maxCluster code points of a cluster.
func clusterPiece(cluster string) string {
	n := 0
	for i := range cluster {
		if n == maxCluster {
			return cluster[:i]
		}
		n++
	}
	return cluster
}

// safeBoundary returns a boundary at or before a code point. Between two printable ASCII
// characters there is always one, so that a long text needs not be read from its beginning.
func safeBoundary(text string, char int) (safe boundary) {
	n, before := 0, rune(0)
	for i, r := range text {
		if n > char {
			break
		}
		if isPrintable(before) && isPrintable(r) {
			safe = boundary{n, i}
		}
		before = r
		n++
	}
	return safe
}

func isPrintable(r rune) bool { return ' ' <= r && r <= '~' }
