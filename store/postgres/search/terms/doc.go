// Package terms cuts text into the terms that full-text search compares, and finds
// where a query matches in a text. It is pure: its result for a text changes only with
// Version.
//
// # Terms
//
// Text is normalised first (NFKC); case, accents, vowel points and invisible characters
// are dropped, and letters that are read alike become one (plainLetters). In scripts with
// spaces a term is a word: letters and digits without a break. In scripts without
// (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) there is a term at every
// character: that one and the next, or the character alone at the end of a stretch. So a
// query of two characters is one term, a longer one is several terms in a row, and a
// single character matches the beginning of terms. Emojis are terms, each its own.
//
// # Places
//
// Every word, emoji or character has the next place, from 1 on. What stands
// together has consecutive places, whatever punctuation is in between.
//
// # Extra terms
//
// Some places have more than one term:
//
//   - a word with a sign beside it, and without: #tag, @name, .net, c++
//   - the first of several words with an apostrophe, a hyphen or the like between them, and
//     all of them without it: don't is "don", "t", and at the place of "don" also "dont"
//
// A query for a word with a sign wants that term. A query with words that a link joins
// wants the words in a row, or all of them joined.
package terms

// Version changes whenever the same text gives other terms: what was indexed by
// another version must be indexed again.
const Version = 2

const (
	// MaxPlaces is how many words, emojis and characters of a text are indexed.
	MaxPlaces = 16_000
	// maxTerm is how many characters of a word count.
	maxTerm = 64
	// maxRepeats is at how many places one term is indexed: a tsvector holds no more.
	maxRepeats = 255
)
