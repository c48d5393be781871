package terms

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// kind classifies a character for the splitter.
type kind int

const (
	gap    kind = iota // ends a word
	skip               // ignored
	word               // a part of a word
	single             // of a script without spaces
	symbol             // an emoji
)

// letter is a normalised character and its source: the code points [start, end) of the
// text.
type letter struct {
	r          rune
	kind       kind
	start, end int
}

// letters calls yield with the normalised characters of a text until it returns false.
func letters(text string, yield func(letter) bool) {
	at := 0
	for len(text) > 0 {
		n := 1
		if text[0] >= utf8.RuneSelf || len(text) > 1 && text[1] >= utf8.RuneSelf {
			n = max(1, norm.NFKC.NextBoundaryInString(text, true))
		}
		segment := text[:n]
		text = text[n:]
		length := utf8.RuneCountInString(segment)
		for _, r := range fold(segment) {
			if !yield(letter{r, kindOf(r), at, at + length}) {
				return
			}
		}
		at += length
	}
}

// fold normalises the segment between two boundaries of normalisation.
func fold(segment string) string {
	if len(segment) == 1 {
		return strings.ToLower(segment)
	}
	segment = norm.NFKC.String(segment)
	if r, _ := utf8.DecodeRuneInString(segment); kindOf(r) == single {
		return segment
	}
	segment = strings.ReplaceAll(strings.ReplaceAll(segment, "ß", "ss"), "ẞ", "ss")
	segment = strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, segment)
	return strings.Map(func(r rune) rune {
		if isAccent(r) {
			return -1
		}
		return r
	}, norm.NFD.String(segment))
}

// isAccent reports whether r is a mark that writers may omit. The vowels of Indic scripts
// are marks too, but letters of their own.
func isAccent(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me) &&
		unicode.In(r, unicode.Inherited, unicode.Arabic, unicode.Hebrew, unicode.Cyrillic, unicode.Syriac)
}

func kindOf(r rune) kind {
	switch {
	case r < utf8.RuneSelf:
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return word
		}
		return gap
	case r == '\u200B', r == utf8.RuneError: // a space of no width is a space
		return gap
	case isAccent(r), unicode.Is(unicode.Cf, r), r == 'ـ', '\U0001F3FB' <= r && r <= '\U0001F3FF':
		return skip // joiners, selectors, tatweel, tones of skin
	case isSingle(r):
		return single
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
		return word
	case unicode.Is(unicode.So, r):
		return symbol
	}
	return gap
}

func isSingle(r rune) bool {
	switch r {
	case 'ー', '々', '〆', '〇', '゛', '゜':
		return true
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && !unicode.IsPunct(r)
}
