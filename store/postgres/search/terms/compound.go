package terms

// maxParts is how many words are looked at together.
const maxParts = 32

// compound is a run of words with one link between each two: an apostrophe, a hyphen or
// the like. Writers leave such links out (don't, dont; e-mail, email), so that the joined
// words are terms too: all of them, and each two.
type compound struct {
	parts []part
	link  rune // after the last part; 0: none
}

// part is a word of a compound.
type part struct {
	term
	chars int
	link  rune // before it
}

func (c *compound) add(t term, chars int) {
	c.parts = append(c.parts, part{t, chars, c.link})
	c.link = 0
}

// end adds the joined terms to a list, and starts over.
func (c *compound) end(list []extra) []extra {
	for first := 0; first < len(c.parts); {
		next := first + 1
		for next < len(c.parts) && joins(&c.parts[next-1], &c.parts[next]) {
			next++
		}
		if words := next - first; words > 1 {
			list = c.join(list, first, next, joined)
			for i := first; i+1 < next && words > 2; i++ {
				if link := c.parts[i+1].link; link != '.' && link != ',' {
					list = c.join(list, i, i+2, joinedPair)
				}
			}
		}
		first = next
	}
	c.parts, c.link = c.parts[:0], 0
	return list
}

// join adds the joined parts [first, next), unless they are too long for a term.
func (c *compound) join(list []extra, first, next int, kind extraKind) []extra {
	parts := c.parts[first:next]
	t, chars := parts[0].term, 0
	t.text = ""
	for _, p := range parts {
		t.text += p.text
		chars += p.chars
		t.end, t.first = p.end, p.end
	}
	if chars > maxTerm {
		return list
	}
	return append(list, extra{term: t, kind: kind, words: len(parts)})
}

// joins reports whether the link between two parts may be left out. A full stop may
// between single letters (U.S.A.), and full stop and comma between groups of digits
// (1,000,000).
func joins(a, b *part) bool {
	switch b.link {
	case 0:
		return false
	case '.':
		return a.chars == 1 && b.chars == 1 && !isDigits(a.text) && !isDigits(b.text) || isGroup(a, b)
	case ',':
		return isGroup(a, b)
	}
	return true
}

// isGroup reports whether b is a group of three digits after a.
func isGroup(a, b *part) bool {
	return a.chars <= 3 && b.chars == 3 && isDigits(a.text) && isDigits(b.text)
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
