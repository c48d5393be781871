package search

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/store/postgres/search/terms"
)

// marked returns a fragment with its ranges in brackets.
func marked(h domain.Highlight) string {
	var b strings.Builder
	runes, at := []rune(h.Fragment), 0
	for _, r := range h.Ranges {
		b.WriteString(string(runes[at:r.Start]) + "[" + string(runes[r.Start:r.Start+r.Length]) + "]")
		at = r.Start + r.Length
	}
	return b.String() + string(runes[at:])
}

// What is marked is what the text has, though normalisation made it longer or shorter.
func TestHighlightsMapBackToTheText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typed, text, want string }{
		{"strasse", "die STRAẞE, Straße", "die [STRAẞE], [Straße]"},
		{"oeuvre", "l’œuvre", "l’[œuvre]"},
		{"loeuvre", "l’œuvre", "[l’œuvre]"},
		{"dont", "I don't", "I [don't]"},
		{"cafe", "un cafe\u0301!", "un [cafe\u0301]!"},
		{"fine", "so ﬁne", "so [ﬁne]"},
		{"社", "㍿だ", "[㍿]だ"},
		{"カ", "ｶﾞはｶ", "ｶﾞは[ｶ]"},
		{"السلام", "و السَّلَامُ!", "و [السَّلَامُ]!"},
		{"کتابهای", "این کتاب\u200cهای خوب", "این [کتاب\u200cهای] خوب"},
		{"zerowidth", "a zero\u200bwidth space", "a [zero\u200bwidth] space"},
		{"cooperate", "let’s co\u00adoperate", "let’s [co\u00adoperate]"},
		{"123", "رقم ١٢٣", "رقم [١٢٣]"},
		{"1000000", "1,000,000 times", "[1,000,000] times"},
		{"#tag", "a #tag and tag", "a [#tag] and tag"},
		{"c++", "C++, C", "[C++], C"},
		{".net", "on .NET.", "on [.NET]."},
		{"example.org", "at alice@example.org!", "at alice@[example].[org]!"},
		{"👍", "ok 👍🏽!", "ok [👍🏽]!"},
		{"👩", "we 👨\u200d👩\u200d👧 too", "we [👨\u200d👩\u200d👧] too"},
		{"❤", "I ❤\ufe0f it", "I [❤\ufe0f] it"},
		{"🇪🇸", "🇧🇩🇪🇸!", "🇧🇩[🇪🇸]!"},
		{"🏴󠁧󠁢󠁥󠁮󠁧󠁿", "for 🏴󠁧󠁢󠁥󠁮󠁧󠁿!", "for [🏴󠁧󠁢󠁥󠁮󠁧󠁿]!"},
		{"1\u20e3", "press 1\ufe0f\u20e3 or 1", "press [1\ufe0f\u20e3] or 1"},
		{"ว", "สวัสดี", "ส[วั]สดี"},
		{"글", "한\u1100\u1173\u11af", "한[\u1100\u1173\u11af]"},
	} {
		q, ok := terms.ParseQuery(c.typed)
		require.True(t, ok, c.typed)
		spans := q.Mark(c.text)
		require.NotEmpty(t, spans, c.typed)
		require.Equal(t, c.want, marked(fragment(domain.TextField{Name: "text", Text: c.text}, spans)), c.typed)
	}
}

// A fragment of a long text begins and ends between grapheme clusters.
func TestFragmentsDoNotCutClusters(t *testing.T) {
	t.Parallel()
	for _, cluster := range []string{"🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨\u200d👩\u200d👧\u200d👦", "👍🏽", "e\u0301\u0323", "❤\ufe0f", "1\ufe0f\u20e3", "한", "a", "京", "\r\n"} {
		for shift := range 9 {
			filler := strings.Repeat("x", shift) + strings.Repeat(cluster, 200)
			text := filler + " needle " + filler
			q, _ := terms.ParseQuery("needle")
			h := fragment(domain.TextField{Text: text}, q.Mark(text))
			require.LessOrEqual(t, utf8.RuneCountInString(h.Fragment), fragmentChars)
			require.Greater(t, utf8.RuneCountInString(h.Fragment), fragmentChars-maxCluster-1)
			require.Contains(t, marked(h), "[needle]")
			requireWhole(t, text, h)
		}
	}
}

// A cluster that no script has is cut, so that a fragment is not longer than others.
func TestFragmentOfEndlessMarks(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("\u0301", 5000) + " needle " + strings.Repeat("\u0301", 5000)
	q, _ := terms.ParseQuery("needle")
	h := fragment(domain.TextField{Text: text}, q.Mark(text))
	require.LessOrEqual(t, utf8.RuneCountInString(h.Fragment), fragmentChars)
	require.Contains(t, marked(h), "[needle]")
}

// requireWhole requires that a highlight is a part of the text, and begins and ends where
// grapheme clusters do, and its ranges too.
func requireWhole(t require.TestingT, text string, h domain.Highlight) {
	between := map[int]bool{0: true}
	at, state, rest := 0, -1, text
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		at += utf8.RuneCountInString(cluster)
		between[at] = true
	}
	length := utf8.RuneCountInString(h.Fragment)
	require.Equal(t, string([]rune(text)[h.Offset:h.Offset+length]), h.Fragment)
	require.True(t, between[h.Offset], "the beginning of %+q", h.Fragment)
	require.True(t, between[h.Offset+length], "the end of %+q", h.Fragment)
	end := -1
	for _, r := range h.Ranges {
		require.Greater(t, r.Start, end, "ranges ascend and do not touch")
		require.Positive(t, r.Length)
		end = r.Start + r.Length
		require.LessOrEqual(t, end, length)
		require.True(t, between[h.Offset+r.Start] && between[h.Offset+end], "a range of %+q", h.Fragment)
	}
	require.NotEmpty(t, h.Ranges)
}

// Whatever the text and what of it is looked for.
func TestHighlightsOfAnyText(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"a", "needle", " ", "é", "e\u0301", "\u0301", "ß", "🇩🇪", "🇩", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "\u200d", "\u200b", "1\ufe0f\u20e3", "京", "ガ", "ｶﾞ",
		"한", "\u1112\u1161", "สวั", "कि", "ﷺ", "#tag", "C++", "don't", "\r\n", "-", "\u00ad", "کتاب\u200cها",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 120).Draw(t, "text"), "")
		q, ok := terms.ParseQuery(rapid.SampledFrom(pieces).Draw(t, "typed"))
		if !ok {
			return
		}
		if spans := q.Mark(text); len(spans) > 0 {
			requireWhole(t, text, fragment(domain.TextField{Text: text}, spans))
		}
	})
}

// BenchmarkHighlights marks a word at the end of a long text.
func BenchmarkHighlights(b *testing.B) {
	for name, unit := range map[string]string{"English": "hello ", "Chinese": "北京你好", "emoji": "👍🏽", "marks": "\u0301"} {
		text := strings.Repeat(unit, 32_000/len(unit)) + " needle"
		q, _ := terms.ParseQuery("needle")
		spans := q.Mark(text)
		b.Run(fmt.Sprintf("%s/%d", name, len(text)), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				fragment(domain.TextField{Text: text}, spans)
			}
		})
	}
}
