// Package terms cuts text into the terms that full-text search compares, and finds
// where a query matches in a text. It is pure: its result for a text changes only with
// Version.
//
// # Terms
//
// Text is normalised first (NFKC); case, accents and vowel points are dropped. In
// scripts with spaces a term is a word: letters and digits without a break. In
// scripts without (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) there is a
// term at every character: that one and the next, or the character alone at the
// end of a stretch. So two characters are one term, longer text is a row of terms,
// and a single character is the beginning of terms. Emojis are terms, each its own.
//
// # Places
//
// Every word, emoji or character has the next place, from 1 on. What stands
// together has consecutive places, whatever punctuation is in between.
package terms

// Version changes whenever the same text gives other terms: what was indexed by
// another version must be indexed again.
const Version = 1

const (
	// MaxPlaces is how many words, emojis and characters of a text are indexed.
	MaxPlaces = 16_000
	// maxTerm is how many characters of a word count.
	maxTerm = 64
	// maxRepeats is at how many places PostgreSQL knows one term.
	maxRepeats = 255
)
