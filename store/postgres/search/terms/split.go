package terms

import "unicode"

// term is one term of a text: its position, and the code points [start, end) of the text
// that it covers. Of a pair, the first character covers those up to first.
type term struct {
	text              string
	place             int
	start, end, first int
	single            bool // of a script without spaces
	pair              bool // of two characters of it
}

// extra is another term at the position of one: a word with its sign, or joined words.
type extra struct {
	term
	kind  extraKind
	words int // of joined words: how many, from the position on
}

type extraKind int

const (
	signBefore extraKind = iota // #tag, @name, .net
	signAfter                   // c++, c#, a digit in a keycap
	joinedPair                  // two of several words that links join
	joined                      // all words that links join
)

// hashSign replaces # at the beginning of a term, because labels begin with #. It is none
// of a text, where it is normalised.
const hashSign = '＃'

// tokens are the terms of a text: one at each position, from 1 on, and the extra ones.
type tokens struct {
	terms  []term
	extras []extra
}

// split cuts a text into its terms.
func split(text string) tokens {
	var s splitter
	letters(text, s.add)
	s.endWord()
	s.endCompound()
	s.endRun()
	return s.tokens
}

// splitter is in one of these states:
//
//	state   | holds                     | left by
//	between | nothing, or a compound    | a letter of a word: word; a single character: run
//	word    | word, and perhaps suffix  | any other character
//	run     | last, a single character  | any other character
//
// A compound is the words that links have joined so far. It goes on through a link into
// the next word, and ends with any other character.
type splitter struct {
	tokens
	word      []rune
	from, to  int    // of the word
	prefix    letter // the sign directly before the word; its kind is gap if there is none
	suffix    []rune // the signs directly after the word
	suffixEnd int
	last      letter // of a run of single characters; its kind is gap if there is none
	before    letter // the last character that was not skipped
	earlier   letter // the one before that
	halfFlag  bool   // the last term is the first letter of a flag
	compound  compound
}

const maxSigns = 3 // of a suffix

// add takes the next character. It returns false at the limit of terms.
func (s *splitter) add(l letter) bool {
	switch {
	case l.kind == skip && s.arabicLink(l), l.r == '"' && s.wordIn(unicode.Hebrew): // כ"ץ is written for כ״ץ
		l.kind = link
	case l.kind == skip:
		s.addTag(l)
		return true
	case l.r == zeroWidthSpace && s.last.kind == single: // between words of a script without spaces
		return true
	}
	if l.kind != single {
		s.endRun()
	}
	if len(s.terms) >= MaxPlaces {
		s.word = nil
		return false
	}
	halfFlag := s.halfFlag
	s.halfFlag = false
	switch l.kind {
	case word:
		s.addToWord(l)
	case sign:
		s.addSign(l)
	case link:
		if plain := len(s.suffix) == 0; s.endWord() && plain {
			s.compound.link = l.r
		} else {
			s.endCompound()
		}
	default:
		s.endAll()
		s.addAlone(l, halfFlag)
	}
	s.earlier, s.before = s.before, l
	return true
}

// arabicLink reports whether the character is a zero-width non-joiner after an Arabic
// letter. In Persian it joins the parts of a word; elsewhere it only changes the looks.
func (s *splitter) arabicLink(l letter) bool {
	return l.r == zeroWidthNonJoiner && s.wordIn(unicode.Arabic)
}

// wordIn reports whether the present word ends in a script.
func (s *splitter) wordIn(script *unicode.RangeTable) bool {
	return len(s.word) > 0 && unicode.Is(script, s.word[len(s.word)-1])
}

// addTag makes a tag a part of the emoji before it.
func (s *splitter) addTag(l letter) {
	const maxBytes = 64
	if n := len(s.terms); isTag(l.r) && s.before.kind == symbol && len(s.terms[n-1].text) < maxBytes {
		s.terms[n-1].text += string(l.r)
		s.terms[n-1].end, s.terms[n-1].first = l.end, l.end
	}
}

func (s *splitter) addToWord(l letter) {
	if len(s.suffix) > 0 { // c++11
		s.endAll()
	}
	if len(s.word) == 0 {
		s.from, s.prefix = l.start, s.signOf(l)
	}
	if len(s.word) < maxTerm {
		s.word = append(s.word, l.r)
	}
	s.to = l.end
}

// signOf returns the character before the first one of a word if it is a sign that may
// belong to the word. A full stop does before a letter, and alone.
func (s *splitter) signOf(first letter) letter {
	switch {
	case s.before.r == '#', s.before.r == '@', s.before.r == '.' && s.earlier.r != '.' && unicode.IsLetter(first.r):
		return s.before
	}
	return letter{}
}

func (s *splitter) addSign(l letter) {
	switch {
	case l.r == keycap && len(s.word) == 0 && (s.before.r == '#' || s.before.r == '*'):
		s.endAll()
		s.put(term{text: signed(s.before.r) + string(keycap), start: s.before.start, end: l.end, first: l.end})
	case len(s.word) > 0 && l.r != '@':
		if len(s.suffix) < maxSigns {
			s.suffix, s.suffixEnd = append(s.suffix, l.r), l.end
		}
	default:
		s.endAll()
	}
}

// addAlone takes a character that is no part of a word.
func (s *splitter) addAlone(l letter, halfFlag bool) {
	switch {
	case l.kind == single:
		if s.last.kind == single {
			s.put(term{text: string([]rune{s.last.r, l.r}), start: s.last.start, end: l.end, first: s.last.end, single: true, pair: true})
		}
		s.last = l
	case l.kind == symbol && halfFlag && isRegional(l.r):
		flag := &s.terms[len(s.terms)-1]
		flag.text += string(l.r)
		flag.end, flag.first = l.end, l.end
	case l.kind == symbol:
		s.put(term{text: string(l.r), start: l.start, end: l.end, first: l.end})
		s.halfFlag = isRegional(l.r)
	}
}

func (s *splitter) put(t term) {
	t.place = len(s.terms) + 1
	s.terms = append(s.terms, t)
}

// signed returns a sign as it is in terms that begin with it.
func signed(r rune) string {
	if r == '#' {
		r = hashSign
	}
	return string(r)
}

// endAll ends the present word and the compound.
func (s *splitter) endAll() {
	s.endWord()
	s.endCompound()
}

// endWord adds the present word, and reports whether there was one.
func (s *splitter) endWord() bool {
	if len(s.word) == 0 {
		return false
	}
	s.put(term{text: string(s.word), start: s.from, end: s.to, first: s.to})
	t := s.terms[len(s.terms)-1]
	if s.prefix.r != 0 {
		with := t
		with.text, with.start = signed(s.prefix.r)+t.text, s.prefix.start
		s.extras = append(s.extras, extra{term: with, kind: signBefore})
	}
	if len(s.suffix) > 0 {
		with := t
		with.text, with.end, with.first = t.text+string(s.suffix), s.suffixEnd, s.suffixEnd
		s.extras = append(s.extras, extra{term: with, kind: signAfter})
	}
	s.compound.add(t, len(s.word))
	s.word, s.suffix, s.prefix = s.word[:0], s.suffix[:0], letter{}
	if len(s.compound.parts) == maxParts {
		s.endCompound()
	}
	return true
}

func (s *splitter) endCompound() {
	s.extras = s.compound.end(s.extras)
}

// endRun adds the last character of a run, which is not the first of a pair.
func (s *splitter) endRun() {
	if s.last.kind == single {
		s.put(term{text: string(s.last.r), start: s.last.start, end: s.last.end, first: s.last.end, single: true})
		s.last = letter{}
	}
}
