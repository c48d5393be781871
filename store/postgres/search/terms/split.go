package terms

// term is one term of a text: its position, and the code points [start, end) of the text
// that it covers. Of a pair, the first character covers those up to first.
type term struct {
	text              string
	place             int
	start, end, first int
	single            bool // of a script without spaces
	pair              bool // of two characters of it
}

// split cuts a text into its terms, by position.
func split(text string) []term {
	var s splitter
	letters(text, s.add)
	s.endWord()
	s.endRun()
	return s.terms
}

type splitter struct {
	terms []term
	place int
	word  []rune
	from  int    // of the word
	to    int    // of the word
	last  letter // of a run of single characters; its kind is gap if there is none
}

// add takes the next character. It returns false at the limit of terms.
func (s *splitter) add(l letter) bool {
	if l.kind == skip {
		return true
	}
	if l.kind != word {
		s.endWord()
	}
	if l.kind != single {
		s.endRun()
	}
	if s.place >= MaxPlaces {
		s.word = nil
		return false
	}
	switch l.kind {
	case word:
		if len(s.word) == 0 {
			s.from = l.start
		}
		if len(s.word) < maxTerm {
			s.word = append(s.word, l.r)
		}
		s.to = l.end
	case single:
		if s.last.kind == single {
			s.put(term{text: string([]rune{s.last.r, l.r}), start: s.last.start, end: l.end, first: s.last.end, single: true, pair: true})
		}
		s.last = l
	case symbol:
		s.put(term{text: string(l.r), start: l.start, end: l.end, first: l.end})
	case gap, skip:
	}
	return true
}

func (s *splitter) put(t term) {
	s.place++
	t.place = s.place
	s.terms = append(s.terms, t)
}

func (s *splitter) endWord() {
	if len(s.word) > 0 {
		s.put(term{text: string(s.word), start: s.from, end: s.to, first: s.to})
		s.word = s.word[:0]
	}
}

// endRun adds the last character of a run, which is not the first of a pair.
func (s *splitter) endRun() {
	if s.last.kind == single {
		s.put(term{text: string(s.last.r), start: s.last.start, end: s.last.end, first: s.last.end, single: true})
		s.last = letter{}
	}
}
