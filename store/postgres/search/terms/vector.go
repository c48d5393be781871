package terms

import (
	"slices"
	"strconv"
	"strings"
)

// fieldGap is the number of positions between two fields, so that no phrase matches
// across them.
const fieldGap = 16

// Vector is the indexed form of a message.
type Vector struct {
	// Text is the text form of a tsvector; "" if the fields have no terms.
	Text string
	// Places is how many words, emojis and characters are in it, and extra terms of them.
	Places int
}

// NewVector returns the vector of the fields of a message, up to MaxPlaces terms. Labels
// are found like terms, and no term equals one.
func NewVector(labels []string, fields ...string) Vector {
	places := map[string][]int{}
	count, offset := 0, 0
	add := func(t term) {
		if offset+t.place > MaxPlaces {
			return
		}
		count++
		if list := places[t.text]; len(list) < maxRepeats {
			places[t.text] = append(list, offset+t.place)
		}
	}
	for _, field := range fields {
		found := split(field)
		for _, t := range found.terms {
			add(t)
		}
		for _, e := range found.extras {
			add(e.term)
		}
		offset += len(found.terms) + fieldGap
	}
	if count == 0 {
		return Vector{}
	}
	var b strings.Builder
	for _, label := range labels {
		quote(&b, label)
		b.WriteByte(' ')
	}
	keys := make([]string, 0, len(places))
	for key := range places {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		quote(&b, key)
		for i, place := range places[key] {
			b.WriteByte(":,"[min(i, 1)])
			b.WriteString(strconv.Itoa(place))
		}
		b.WriteByte(' ')
	}
	return Vector{Text: b.String(), Places: count}
}

// Label returns a label of a kind. No term has its prefix.
func Label(kind byte, value string) string { return "#" + string(kind) + value }

// quote writes a lexeme as tsvector and tsquery read it.
func quote(b *strings.Builder, lexeme string) {
	b.WriteByte('\'')
	for i := range len(lexeme) {
		if c := lexeme[i]; c == '\'' || c == '\\' {
			b.WriteByte(c)
		}
		b.WriteByte(lexeme[i])
	}
	b.WriteByte('\'')
}
