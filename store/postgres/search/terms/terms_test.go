package terms

import (
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
		"Japanese":      {"東京タワーへ", "東京 京タ タワ ワー ーへ へ"},
		"half width":    {"ｶﾞｷﾞ", "ガギ ギ"},
		"full width":    {"ＡＢＣ１２３", "abc123"},
		"Korean":        {"안녕하세요", "안녕 녕하 하세 세요 요"},
		"Korean words":  {"좋은 아침", "좋은 은 아침 침"},
		"mixed":         {"iPhone手机15号", "iphone 手机 机 15 号"},
		"emoji":         {"ok👍🏽!❤️👨‍👩‍👧", "ok 👍 ❤ 👨 👩 👧"},
		"one for many":  {"㍿ ﬁn ㎏", "株式 式会 会社 社 fin kg"},
		"joiners":       {"می\u200cخواهم zero\u200bwidth", "میخواهم zero width"},
		"nothing":       {" \t-'\"\\:*&|!<>() ", ""},
		"addresses":     {"a.b@example.org/x?y=1", "a b example org x y 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for i, term := range split(c.text) {
				require.Equal(t, i+1, term.place)
				got = append(got, term.text)
			}
			require.Equal(t, c.want, strings.Join(got, " "))
		})
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"hello":               "('hello':*)",
		"Hello Wor":           "('hello') & ('wor':*)",
		"a":                   "('a')",
		"don't":               "('don' <1> 't')",
		"user@example.or":     "('user' <1> 'example' <1> 'or':*)",
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
	terms := split(strings.Repeat("x", 1<<20))
	require.Len(t, terms, 1)
	require.Len(t, terms[0].text, maxTerm)
	require.Equal(t, 1<<20, terms[0].end)
	require.LessOrEqual(t, len(split(strings.Repeat("a ", 1<<20))), MaxPlaces)
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
	for _, text := range []string{"Straße 北京 안녕 👍🏽", "ｶﾞ\u3099e\u0301", "a\x00\xffb", "'\\", "ก็ ㍿"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		length := utf8.RuneCountInString(text)
		place, start := 0, 0
		for _, term := range split(text) {
			place++
			if term.place != place || term.start < start || term.end > length || term.start >= term.end ||
				term.first > term.end || term.first <= term.start {
				t.Fatalf("%q: %+v", text, term)
			}
			start = term.start
			if !utf8.ValidString(term.text) || term.text == "" || strings.ContainsAny(term.text, "'\\ \x00#") {
				t.Fatalf("%q: the term %q", text, term.text)
			}
			// What was written is found, unless it was too long to be a term.
			q, ok := ParseQuery(term.text)
			if !ok {
				t.Fatalf("%q: %q finds nothing", text, term.text)
			}
			if place > 20 {
				continue
			}
			if len(q.phrases) == 1 && len(q.Mark(text)) == 0 && utf8.RuneCountInString(term.text) < maxTerm {
				t.Fatalf("%q: %q does not find it", text, term.text)
			}
		}
	})
}

// No text takes more than its length is worth.
func BenchmarkSplit(b *testing.B) {
	for name, unit := range map[string]string{
		"English": "hello ", "Russian": "привет ", "Chinese": "北京你好", "marks": "\u0301", "Hangul letters": "\u1100\u1161", "ligature": "\uFDFA", "emoji": "👍🏽",
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
