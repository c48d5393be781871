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
	link               // ends a word; between two words it may join them: an apostrophe, a hyphen
	sign               // ends a word; beside a word it may belong to it: #tag, @name, C++
)

const (
	zeroWidthSpace     = '\u200B'
	zeroWidthNonJoiner = '\u200C'
	keycap             = '\u20E3' // encloses the character before it
	acuteAccent        = "\u00B4" // as an apostrophe
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
	switch segment {
	case "‼", "⁉": // emojis, which NFKC makes punctuation
		return segment
	case acuteAccent:
		return "'"
	}
	var b strings.Builder
	for _, r := range norm.NFKC.String(segment) {
		if kindOf(r) == single {
			b.WriteRune(hiragana(r))
			continue
		}
		for _, r := range norm.NFD.String(string(unicode.ToLower(unicode.ToUpper(r)))) {
			plain, ok := plainLetters[r]
			switch {
			case isAccent(r):
			case ok:
				b.WriteString(plain)
			default:
				b.WriteRune(digit(r))
			}
		}
	}
	return b.String()
}

// isAccent reports whether r is a mark that writers may omit. The vowels of Indic scripts
// are marks too, but letters of their own.
func isAccent(r rune) bool {
	return r != keycap && unicode.In(r, unicode.Mn, unicode.Me) &&
		unicode.In(r, unicode.Inherited, unicode.Arabic, unicode.Hebrew, unicode.Cyrillic, unicode.Syriac)
}

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		return kindOfASCII(r)
	}
	switch r {
	case zeroWidthSpace, '‘', '’', 'ʻ', 'ʼ', '׳', '״', '‐':
		return link
	case keycap:
		return sign
	case utf8.RuneError:
		return gap
	case '↔', '⤴', '⤵', '◻', '◼', '◽', '◾', '〰', '〽', '‼', '⁉': // emojis that Unicode classifies otherwise
		return symbol
	}
	switch {
	case isAccent(r), unicode.Is(unicode.Cf, r), r == 'ـ', isSkinTone(r):
		return skip // joiners, selectors, marks of direction, tatweel
	case isSingle(r):
		return single
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
		return word
	case unicode.Is(unicode.So, r), 0x1F000 <= r && r <= 0x1FAFF: // emojis of a later Unicode, too
		return symbol
	}
	return gap
}

func kindOfASCII(r rune) kind {
	switch {
	case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
		return word
	case r == '\'', r == '`', r == '-', r == '.', r == ',':
		return link
	case r == '#', r == '@', r == '+':
		return sign
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

func isSkinTone(r rune) bool { return '\U0001F3FB' <= r && r <= '\U0001F3FF' }

// isRegional reports whether r is one of the two letters of a flag.
func isRegional(r rune) bool { return '\U0001F1E6' <= r && r <= '\U0001F1FF' }

// isTag reports whether r is a part of the flag of a part of a country.
func isTag(r rune) bool { return '\U000E0020' <= r && r <= '\U000E007F' }
