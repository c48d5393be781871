package search_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// match is a row of the table in docs/search.md: a message, and queries that find it and
// that do not.
type match struct {
	what    string
	message string
	finds   []string
	not     []string
}

func list(queries ...string) []string { return queries }

// matches is the table in docs/search.md. TestMatches tests each row, and TestMatchesAreDocumented
// that the document has the same rows.
var matches = []match{
	{"words", "The quick brown fox", list("fox", "FOX quick", "the", "qui", `"quick brown"`, "“brown fox”"), list("uick", "fox and hounds", "qui fox", `"brown quick"`)},
	{"no stemming, no synonyms", "we went home", list("went"), list("go", "homes")},
	{"one letter is a word", "a plan", list("a", "A"), list("p")},
	{"German", "Größe über Straße", list("größe", "GRÖSSE", "grosse", "uber", "strasse", "STRASSE"), list("groesse", "ueber")},
	{"German", "GRÖSSE STRASSE", list("größe", "straße", "strasse"), nil},
	{"Danish, Norwegian", "Smørrebrød på Ærø", list("smørrebrød", "smorrebrod", "SMØRREBRØD", "pa", "aero"), list("smoerrebroed")},
	{"Danish, Norwegian", "smorrebrod", list("smørrebrød"), nil},
	{"Icelandic", "Þórður Guðmundsson", list("thordur", "þórður", "gudmundsson"), nil},
	{"Polish", "Łódź, źdźbło", list("lodz", "łódź", "zdzblo"), nil},
	{"Croatian", "Đaković", list("dakovic", "đaković"), list("djakovic")},
	{"Maltese", "Ħal Għaxaq", list("hal ghaxaq"), nil},
	{"French", "l’œuvre d'été", list("oeuvre", "œuvre", "été", "l'oeuvre", "loeuvre", "dété", "ete"), nil},
	{"Vietnamese", "Đường Nguyễn Huệ", list("duong", "nguyen hue", "đường"), nil},
	{"Turkish", "İSTANBUL ılık IŞIK", list("istanbul", "İstanbul", "ISTANBUL", "ilik", "ILIK", "ılık", "işık", "isik"), nil},
	{"Azerbaijani", "Bakı şəhəri", list("baki", "seheri", "şəhəri"), nil},
	{"Greek", "Ὀδυσσεύς, ΟΔΟΣ", list("οδυσσευς", "Οδυσσεύς", "ΟΔΥΣΣΕΥΣ", "οδός"), nil},
	{"Russian", "Всё ещё ёлка и йод", list("все еще", "всё", "елка", "ЁЛКА", "йод", "иод"), nil},
	{"Ukrainian", "м’ята, ґанок, їжа", list("м'ята", "мʼята", "м`ята", "мята", "ганок", "ґанок", "їжа", "іжа"), nil},
	{"Kazakh", "Қазақ өңірі", list("қазақ", "казак", "онірі"), nil},
	{"Arabic", "السَّلَامُ عَلَيْكُمْ", list("السلام", "السلام عليكم", "السَّلامُ"), nil},
	{"Arabic", "مدرسة أحمد على ٱلكتاب", list("مدرسه", "مدرسة", "احمد", "آحمد", "علي", "الكتاب"), nil},
	{"Arabic", "كتـــاب رقم ١٢٣", list("كتاب", "کتاب", "123", "۱۲۳"), nil},
	{"Persian", "کتاب\u200cهای خوب", list("کتاب\u200cهای", "کتابهای", "کتاب های", "کتاب", "كتاب", "های"), nil},
	{"Persian", "نمی دانم، ساعت ۱۲", list("نمي\u200cدانم", "نمی دانم", "12", "١٢"), list("نمیدانم")},
	{"Urdu", "ہم یہاں", list("ہم", "هم", "یہاں", "يهاں"), nil},
	{"Hebrew", "שָׁלוֹם", list("שלום", "שָׁלוֹם"), nil},
	{"Hebrew", "צה״ל", list(`צה"ל`, "צה״ל", "צהל"), nil},
	{"Hindi", "कमरा १२", list("कमरा", "12", "१२"), nil},
	{"invisible", "zero\u200bwidth", list("zerowidth", "zero\u200bwidth", "zero", "width"), nil},
	{"invisible", "co\u00adoperate no\u2060break \ufeffbegin \u200eleft\u200f", list("cooperate", "nobreak", "begin", "left", "co\u00adop"), list("operate")},
	{"full width", "ＡＢＣ　１２３", list("abc", "123", "ａｂｃ"), nil},
	{"other forms of letters", "ﬁne 𝐛𝐨𝐥𝐝 10 ㎏ ㍿", list("fine", "bold", "kg", "株式会社"), nil},
	{"decomposed", "cafe\u0301 u\u0308ber \u1112\u1161\u11ab\u1100\u1173\u11af", list("café", "cafe", "über", "한글", "글"), nil},
	{"Chinese", "我在北京天安门", list("北京", "京", "天安门", "京天", "我"), list("北天", "京安")},
	{"Chinese", "中国", list("中国", "国"), list("中國")},
	{"Japanese", "東京タワーはかっこいい", list("タワー", "たわー", "かっこ", "カッコ", "東", "ワーは"), list("がっこ", "かつこ")},
	{"Japanese", "ｶﾀｶﾅ ﾊﾟﾊﾟ", list("カタカナ", "かたかな", "ｶﾀ", "パパ"), list("はは", "ばば")},
	{"Korean", "안녕하세요 세계", list("안녕", "하세", "안", "세계", "안녕하세요"), list("하녕", "ㅇㄴ")},
	{"Thai", "สวัสดีชาว\u200bโลก", list("โลก", "สวัสดี", "ชาวโลก", "ส"), list("โสก")},
	{"Lao", "ສະບາຍດີ", list("ບາຍ", "ສະບາຍດີ"), nil},
	{"Khmer", "សួស្តី\u200bពិភពលោក", list("ពិភព", "សួស្តីពិភពលោក"), nil},
	{"Burmese", "မင်္ဂလာပါ", list("လာပါ", "မင်္ဂလာ"), nil},
	{"mixed", "iPhone手机15号", list("iphone", "手机", "iphone手机", "15号", "手机15"), nil},
	{"apostrophes", "I don't know O’Neill", list("don't", "don’t", "don´t", "dont", "oneill", "neill", "O'Neill", "i dont"), nil},
	{"apostrophes", "dont", list("don't", "don’t"), nil},
	{"hyphens", "an e-mail, co‑operation", list("e-mail", "email", "e‑mail", "mail", "cooperation", "co-op"), nil},
	{"hyphens", "an email", list("e-mail", "email"), list("mail")},
	{"abbreviations", "made in the U.S.A.", list("usa", "U.S.A.", "u.s.a"), nil},
	{"abbreviations", "USA", list("U.S.A.", "usa"), nil},
	{"numbers", "1,000,000 or 1.500, but 3.14", list("1000000", "1,000,000", "1.000.000", "1500", "3.14", "14"), list("314", "000000")},
	{"numbers", "paid 1000000", list("1,000,000", "1.000.000", "100"), nil},
	{"dates, telephone numbers", "2024-01-15, 555-1234", list("2024", "2024-01-15", "20240115", "5551234", "555-12"), nil},
	{"other punctuation", "AT&T, R&D (24/7)", list("AT&T", "r&d", "24/7", "(24/7)", "at t"), list("td")},
	{"programming languages", "I like C++ and C#", list("C++", "c#", "c", "c++ c#"), list("F#", "c+#")},
	{"programming languages", "plan C", list("c"), list("C++", "C#")},
	{"programming languages", ".NET 8", list(".net", ".NET", "net", ".ne"), nil},
	{"programming languages", "the net", list("net"), list(".net")},
	{"#tag", "the #release of #v2 issue#12", list("#release", "#rel", "release", "#v2", "#12", "12"), list("#elease", "#issue")},
	{"#tag", "the release", list("release"), list("#release")},
	{"@name", "@alice and @bob.k", list("@alice", "@ali", "alice", "@bob.k", "@bob"), list("@lice", "@k")},
	{"@name", "alice", list("alice"), list("@alice")},
	{"e-mail addresses", "alice.b@mail.example.org", list("alice.b@mail.example.org", "ALICE.B@mail.exa", "example.org", "@mail.example.org", "alice"), list("b.alice@mail.example.org", "alice@mail.example.org")},
	{"URLs", "https://www.example.org/a-b/c?x=1&y=2#top", list("https://www.example.org/a-b/c?x=1&y=2#top", "example.org", "www.example.org/a-b", "#top", "x=1"), list("example.com")},
	{"file names", "Report_2024-final v2.pdf", list("report_2024-final", "Report_2024-final v2.pdf", "repo", "2024", "2024-final", "final", ".pdf", "v2.pdf", "report pdf"), list("eport", ".txt")},
	{"snake_case", "max_user_count", list("max_user_count", "max_user", "user", "count max", "max-user-count"), list("maxusercount")},
	{"camelCase", "getUserName", list("getUserName", "getusername", "getU"), list("username", "name")},
	{"emojis", "nice 👍🏽 ❤\ufe0f", list("👍", "👍🏿", "👍\ufe0f", "❤", "❤\ufe0f", "nice👍"), list("👎", "🧡")},
	{"emojis", "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", list("👨\u200d👩\u200d👧", "👩", "👨👩", "🔥", "❤\u200d🔥"), list("👦", "👩👨")},
	{"flags", "🇧🇩🇪🇸", list("🇧🇩", "🇪🇸", "🇧🇩🇪🇸"), list("🇩🇪", "🇪")},
	{"flags", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", list("🏴󠁧󠁢󠁥󠁮󠁧󠁿"), list("🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴")},
	{"keycaps", "1\ufe0f\u20e32\ufe0f\u20e3 #\ufe0f\u20e3", list("1\ufe0f\u20e3", "1\u20e3", "2\u20e3", "1", "#\ufe0f\u20e3"), list("3\ufe0f\u20e3", "12")},
	{"keycaps", "1", list("1"), list("1\ufe0f\u20e3")},
	{"symbols that are emojis", "↔\ufe0f ‼\ufe0f ◻ ©", list("↔", "‼", "‼\ufe0f", "◻\ufe0f", "©"), list("↕")},
}

// TestMatches: each query finds its message, with a highlight, or does not find it.
func TestMatches(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice")
	var seqs []int64
	for i, m := range matches {
		content, err := json.Marshal(map[string]string{"type": "text", "text": m.message})
		require.NoError(t, err)
		a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: content}))
		require.NoError(t, a.Err)
		seqs = append(seqs, a.Event.Seq)
	}
	n.WaitIndexed(t)
	for i, m := range matches {
		for _, typed := range m.finds {
			page := n.Search(t, storetest.User("alice"), domain.SearchQuery{Text: typed})
			at := slices.IndexFunc(page.Items, func(f domain.FoundMessage) bool { return f.Seq == seqs[i] })
			if at < 0 {
				t.Errorf("%s: %s does not find %s", m.what, visible(typed), visible(m.message))
			} else if len(page.Items[at].Highlights) == 0 {
				t.Errorf("%s: %s marks nothing in %s", m.what, visible(typed), visible(m.message))
			}
		}
		for _, typed := range m.not {
			if slices.Contains(n.Found(t, "alice", typed), seqs[i]) {
				t.Errorf("%s: %s finds %s", m.what, visible(typed), visible(m.message))
			}
		}
	}
}

// visible returns a text as the document has it: invisible characters by their number.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch isTag := '\U000E0020' <= r && r <= '\U000E007F'; {
		case unicode.Is(unicode.Cf, r) && !isTag, '\u0300' <= r && r <= '\u036F', r == '\uFE0F', r == '\u20E3':
			fmt.Fprintf(&b, "<%04X>", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// table returns the table of the document.
func table() string {
	var b strings.Builder
	b.WriteString("| what | message | is found by | is not found by |\n|---|---|---|---|\n")
	for _, m := range matches {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.what, code(m.message), codes(m.finds), codes(m.not))
	}
	return b.String()
}

func codes(texts []string) string {
	var list []string
	for _, text := range texts {
		list = append(list, code(text))
	}
	return strings.Join(list, ", ")
}

// code returns a text as code in a cell of a table.
func code(text string) string {
	text = strings.ReplaceAll(visible(text), "|", `\|`)
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}

var update = flag.Bool("update", false, "rewrite the table in docs/search.md")

func TestMatchesAreDocumented(t *testing.T) {
	const path, begin, end = "../../../docs/search.md", "<!-- matches -->\n", "<!-- end of matches -->\n"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(data), begin)
	require.True(t, found)
	documented, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+table()+end+after), 0o600))
		return
	}
	require.Equal(t, table(), documented, "go test ./store/postgres/search -run TestMatchesAreDocumented -update")
}
