package terms

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"English":       {"The quick-brown FOX, 42 times", "the quick brown fox 42 times"},
		"German":        {"Größe über Straße ÄÖÜ STRASSE", "grosse uber strasse aou strasse"},
		"French":        {"l’été à Noël", "l ete a noel"},
		"Greek":         {"Ὀδυσσεύς ΟΔΟΣ", "οδυσσευσ οδοσ"},
		"Russian":       {"Ёлка и Йод", "елка и иод"},
		"Turkish":       {"İstanbul ılık", "istanbul ilik"},
		"Arabic":        {"السَّلامُ عليكم أحمد كتـــاب", "السلام عليكم احمد كتاب"},
		"Hebrew":        {"שָׁלוֹם", "שלום"},
		"Hindi":         {"नमस्ते दुनिया", "नमस्ते दुनिया"},
		"Vietnamese":    {"Tiếng Việt", "tieng viet"},
		"decomposed":    {"u\u0308ber cafe\u0301", "uber cafe"},
		"Thai":          {"สวัส", "สว วั ัส ส"},
		"Chinese":       {"北京你好", "北京 京你 你好 好"},
		"two sentences": {"你好。北京", "你好 好 北京 京"},
		"one character": {"好", "好"},
		"Japanese":      {"東京タワーへ", "東京 京た たわ わー ーへ へ"},
		"half width":    {"ｶﾞｷﾞ", "がぎ ぎ"},
		"full width":    {"ＡＢＣ１２３", "abc123"},
		"Korean":        {"안녕하세요", "안녕 녕하 하세 세요 요"},
		"Korean words":  {"좋은 아침", "좋은 은 아침 침"},
		"mixed":         {"iPhone手机15号", "iphone 手机 机 15 号"},
		"emoji":         {"ok👍🏽!❤️👨‍👩‍👧", "ok 👍 ❤ 👨 👩 👧"},
		"one for many":  {"㍿ ﬁn ㎏ ㈙ ㌀", "株式 式会 会社 社 fin kg 타 あぱ ぱー ーと と"},
		"joiners":       {"می\u200cخواهم क्\u200cष zero\u200bwidth co\u00adop", "مي خواهم क्ष zero width coop"},
		"flags":         {"🇧🇩🇪🇸 🇩 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇧🇩 🇪🇸 🇩 🏴󠁧󠁢󠁥󠁮󠁧󠁿"},
		"keycaps":       {"1\ufe0f\u20e32\u20e3 *\ufe0f\u20e3 #\u20e3", "1 2 *\u20e3 ＃\u20e3"},
		"digits":        {"١٢٣ ۴۵۶ ७८९ 𝟎𝟏", "123 456 789 01"},
		"nothing":       {" \t-'\"\\:*&|!<>() ", ""},
		"addresses":     {"a.b@example.org/x?y=1", "a b example org x y 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for i, term := range split(c.text).terms {
				require.Equal(t, i+1, term.place)
				got = append(got, term.text)
			}
			require.Equal(t, c.want, strings.Join(got, " "))
		})
	}
}

func TestExtraTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"the quick brown, fox":  "",
		"don't":                 "1dont",
		"so e-mail O’Neill":     "2email 4oneill",
		"a-b-c x":               "1abc 1ab 2bc",
		"a--b c- -d e-":         "",
		"a-\nb":                 "",
		"1,000,000.5":           "11000000",
		"12,34 1234,567":        "",
		"U.S.A. v1.2 e.g.":      "1usa 2.s 3.a 6eg 7.g",
		"#tag ##x #1":           "1＃tag 2＃x 3＃1",
		"@a b@c":                "1@a 3@c",
		".net a.b ..c 1.5 . d":  "1.net 3.b 2ab",
		"c++ c# c+++++ a+b + c": "1c++ 2c# 3c+++ 4a+",
		"1\u20e32\u20e3":        "11\u20e3 22\u20e3",
		"zero\u200bwidth":       "1zerowidth",
		"کتاب\u200cها":          "1كتابها",
		"צה״ל צה\"ל":            "1צהל 3צהל",
		strings.Repeat("x", 40) + "-" + strings.Repeat("y", 40): "",
	} {
		var got []string
		for _, e := range split(text).extras {
			got = append(got, strconv.Itoa(e.place)+e.text)
		}
		require.ElementsMatch(t, strings.Fields(want), got, "%+q", text)
	}
}

// However many links a text has, it has few terms more than words.
func TestExtraTermsAreBounded(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"a-", "a'", "#a", "a+", "@a.", "1,000,", "x.y-"} {
		found := split(strings.Repeat(unit, 20_000))
		require.LessOrEqual(t, len(found.terms), MaxPlaces)
		require.LessOrEqual(t, len(found.extras), 3*len(found.terms), unit)
		for _, e := range found.extras {
			require.LessOrEqual(t, utf8.RuneCountInString(e.text), maxTerm+maxSigns, unit)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"hello":               "('hello':*)",
		"Hello Wor":           "('hello') & ('wor':*)",
		"a":                   "('a')",
		"don't":               "('don' <1> 't' | 'dont':*)",
		"e-mail addr":         "('e' <1> 'mail' | 'email') & ('addr':*)",
		`"do not e-mail me"`:  "('do' <1> 'not' <1> 'e' <1> 'mail' <1> 'me' | 'do' <1> 'not' <1> 'email' <1> 'me')",
		"aa-b.c-dd@x":         "('aa' <1> 'b' <1> 'c' <1> 'dd' <1> 'x' | 'aabcdd' <1> 'x')",
		"1,000.000":           "('1' <1> '000' <1> '000':* | '1000000':*)",
		"#tag":                "('＃tag':*)",
		"@bob.k":              "('@bob' <1> 'k')",
		"x@bob":               "('x' <1> 'bob':*)",
		".NET":                "('.net':*)",
		"...net":              "('net':*)",
		"C++":                 "('c++')",
		"#c++":                "('＃c' <0> 'c++')",
		"c++11":               "('c' <1> '11':*)",
		"#e-mail":             "('＃e' <1> 'mail':*)",
		"x-y c#":              "('x' <1> 'y' | 'xy') & ('c#')",
		"1\ufe0f\u20e3":       "('1\u20e3')",
		"🇩🇪":                  "('🇩🇪')",
		`צה"ל`:                "('צה' <1> 'ל' | 'צהל':*)",
		"user@example.or":     "('user' <1> 'example' <1> 'or':*)",
		"کتاب\u200cها":        "('كتاب' <1> 'ها':* | 'كتابها':*)",
		`"hello world"`:       "('hello' <1> 'world')",
		`“hello wor`:          "('hello' <1> 'wor')",
		`"hello" wor`:         "('hello') & ('wor':*)",
		"北":                   "('北':*)",
		"北京":                  "('北京')",
		"北京你好":                "('北京' <1> '京你' <1> '你好')",
		"北京 你好":               "('北京') & ('你好')",
		"iPhone手":             "('iphone' <1> '手':*)",
		"iPhone手机15":          "('iphone' <1> '手机' <2> '15':*)",
		"안녕하":                 "('안녕' <1> '녕하')",
		"👍":                   "('👍')",
		"'); DROP TABLE x;--": "('drop') & ('table') & ('x')",
		`a\b:*|!c`:            "('a' <1> 'b' <1> 'c')",
	} {
		q, ok := ParseQuery(typed)
		require.True(t, ok, typed)
		require.Equal(t, want, q.TSQuery(), typed)
	}
	for _, typed := range []string{"", " ", `""`, `"`, "'", "!&|", "-", "\u0301", "\u200d", "。"} {
		_, ok := ParseQuery(typed)
		require.False(t, ok, "%q", typed)
	}
}

func TestVector(t *testing.T) {
	t.Parallel()
	v := NewVector([]string{Label('s', `o'neill\`)}, "to be or not to be", "北京")
	require.Equal(t, `'#so''neill\\' 'be':2,6 'not':4 'or':3 'to':1,5 '京':24 '北京':23 `, v.Text)
	require.Equal(t, 8, v.Places)
	require.Equal(t, Vector{}, NewVector([]string{"#x"}, "", "…"))
	require.Equal(t, "('#ca' | '#cb')", AnyOf([]string{Label('c', "a"), Label('c', "b")}))
}

func TestLongTextIsCut(t *testing.T) {
	t.Parallel()
	v := NewVector(nil, strings.Repeat("字", 3*MaxPlaces))
	require.Equal(t, MaxPlaces, v.Places)
	require.Less(t, strings.Count(v.Text, ","), maxRepeats)
	terms := split(strings.Repeat("x", 1<<20)).terms
	require.Len(t, terms, 1)
	require.Len(t, terms[0].text, maxTerm)
	require.Equal(t, 1<<20, terms[0].end)
	require.LessOrEqual(t, len(split(strings.Repeat("a ", 1<<20)).terms), MaxPlaces)
}

func TestMark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typed, text, want string }{
		{"hello", "Hello, HELLOS and hell", "[Hello], [HELLOS] and hell"},
		{"strasse gro", "Straße so groß", "[Straße] so [groß]"},
		{`"to be"`, "to not be or to be", "to not be or [to] [be]"},
		{"北京", "我在北京，北边的京城", "我在[北京]，北边的京城"},
		{"北", "我在北京，北", "我在[北]京，[北]"},
		{"京你好", "北京你好啊", "北[京你好]啊"},
		{"iphone手机", "😀iPhone手机壳 手机", "😀[iPhone手机]壳 手机"},
		{"안녕", "안녕하세요", "[안녕]하세요"},
		{"会社", "㍿です", "[㍿]です"},
		{"👍", "ok 👍🏽", "ok [👍]🏽"},
		{"nothing", "something else", "something else"},
	} {
		q, ok := ParseQuery(c.typed)
		require.True(t, ok)
		var b strings.Builder
		runes, at := []rune(c.text), 0
		for _, s := range q.Mark(c.text) {
			b.WriteString(string(runes[at:s.Start]) + "[" + string(runes[s.Start:s.End]) + "]")
			at = s.End
		}
		b.WriteString(string(runes[at:]))
		require.Equal(t, c.want, b.String(), c.typed)
	}
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"Straße 北京 안녕 👍🏽", "ｶﾞ\u3099e\u0301", "a\x00\xffb", "'\\", "ก็ ㍿", "don't e-mail #tag @me C++ .net", "🇩🇪🇫 1\u20e3#\u20e3 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "کتاب\u200cها ١", "1,000,000 U.S.A.",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		length := utf8.RuneCountInString(text)
		found := split(text)
		start := 0
		for i, term := range found.terms {
			if term.place != i+1 || term.start < start {
				t.Fatalf("%q: %+v", text, term)
			}
			start = term.start
			checkTerm(t, text, length, i, term)
		}
		for i, e := range found.extras {
			if e.place < 1 || e.place > len(found.terms) {
				t.Fatalf("%q: %+v", text, e)
			}
			checkTerm(t, text, length, i, e.term)
		}
	})
}

// checkTerm checks the i-th term of a text, which has a length in code points.
func checkTerm(t *testing.T, text string, length, i int, term term) {
	if term.end > length || term.start >= term.end || term.first > term.end || term.first <= term.start {
		t.Fatalf("%q: %+v", text, term)
	}
	if !utf8.ValidString(term.text) || term.text == "" || strings.ContainsAny(term.text, "'\\ \x00") || term.text[0] == '#' {
		t.Fatalf("%q: the term %q", text, term.text)
	}
	// What was written is found, unless it was too long to be a term.
	q, ok := ParseQuery(term.text)
	if !ok {
		t.Fatalf("%q: %q finds nothing", text, term.text)
	}
	if i <= 20 && len(q.phrases) == 1 && len(q.Mark(text)) == 0 && utf8.RuneCountInString(term.text) < maxTerm {
		t.Fatalf("%q: %q does not find it", text, term.text)
	}
}

// No text takes more than its length is worth.
func BenchmarkSplit(b *testing.B) {
	for name, unit := range map[string]string{
		"English": "hello ", "Russian": "привет ", "Chinese": "北京你好", "marks": "\u0301", "Hangul letters": "\u1100\u1161", "ligature": "\uFDFA", "emoji": "👍🏽", "links": "a-b'c.", "signs": "#a@b+",
	} {
		text := strings.Repeat(unit, 32_000/len(unit))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				split(text)
			}
		})
	}
}

// An index of other terms is built again after an upgrade only if Version is another one.
func TestVersionChangesWithTheTerms(t *testing.T) {
	t.Parallel()
	v := NewVector(nil, "Größe Ærø Łódź Þór ıİ ə ґанок Ёлка Ὀδυσσεύς", "السَّلامُ أحمد مدرسة ی ک ۱۲ کتاب\u200cها שָׁלוֹם צה״ל कमरा",
		"ＡＢｃ ｶﾞタワー 北京。안녕 สวัส\u200bดี ㍿ ﬁn", "don't e-mail U.S.A. 1,000,000 #tag @me .net C++ c# a_b", "👍🏽 ❤️ 🇧🇩🇪🇸 1\ufe0f\u20e3 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ‼ ↔ zero\u200bwidth co\u00adop")
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(v.Text)))[:16]
	require.Equal(t, "version 2: 7726c59acde48c93", fmt.Sprintf("version %d: %s", Version, sum), "if the terms have changed, increase Version and change this")
}
