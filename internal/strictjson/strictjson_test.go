package strictjson

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{
		`{}`, ` [ ] `, `"x"`, `-0.5e+10`, `0`, `true`, `null`, `{"a":{"a":[1,"é","\ud83d\ude00"]},"b":""}`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	} {
		require.NoError(t, Check([]byte(good)), good)
	}
	for bad, reason := range map[string]string{
		``:                             "unexpected end",
		`{`:                            "expected a name",
		`{"a"}`:                        "expected :",
		`{"a":1,}`:                     "expected a name",
		`[1 2]`:                        "expected , or ]",
		`01`:                           "unexpected text",
		`1.`:                           "not a number",
		`1e`:                           "not a number",
		`+1`:                           "not a JSON value",
		`nul`:                          "not a JSON value",
		`"a`:                           "unexpected end",
		"\"\n\"":                       "control character",
		`"\x"`:                         "unknown escape",
		`"\u00"`:                       "unknown escape",
		`"\u0000"`:                     "U+0000",
		"\"\x00\"":                     "control character",
		`"\ud800"`:                     "unpaired surrogate",
		`"\ud800\u0041"`:               "unpaired surrogate",
		`"\ude00"`:                     "unpaired surrogate",
		"\"\xff\"":                     "invalid UTF-8",
		"\"\xed\xa0\x80\"":             "invalid UTF-8",
		`{"a":1,"a":2}`:                "repeated name",
		`{"a":1,"\u0061":2}`:           "repeated name",
		`{} {}`:                        "unexpected text",
		strings.Repeat("[", 1_000_000): "nested too deeply",
		`{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"4":0}`: "repeated name",
	} {
		err := Check([]byte(bad))
		require.ErrorContains(t, err, reason)
	}
}

func TestCheckNamesTheValue(t *testing.T) {
	for text, pointer := range map[string]string{
		`"\u0000"`:                         "",
		`{"a":"\u0000"}`:                   "/a",
		`{"a":[1,{"b/~":["x","\ud800"]}]}`: "/a/1/b~1~0/1",
		`{"a":1,"a":2}`:                    "/a",
		`{"a":{"\u0062":1,"b":2}}`:         "/a/b",
		`{"a":{"b":1},"\u0000":2}`:         "", // an invalid name has no pointer of its own
		`{"a":1} x`:                        "",
		`{"a":{"b":1}, "c":[0,1.]}`:        "/c/1",
		"{\"a\":{\"b\":\"\xff\"},\"c\":1}": "/a/b",
	} {
		var e *SyntaxError
		require.ErrorAs(t, Check([]byte(text)), &e, text)
		require.Equal(t, pointer, e.Pointer, text)
	}
}

func TestObject(t *testing.T) {
	text := `{"s":"x\n","n":-7,"b":true,"l":["a","b"],"raw":{"y": [1]},"TYPE":1,"a/b~c":2}`
	o := NewObject("", []byte(text))
	require.Equal(t, "x\n", o.String("s"))
	n, ok := o.Int("n")
	require.True(t, ok)
	require.EqualValues(t, -7, n)
	require.True(t, o.Bool("b", false))
	require.True(t, o.Bool("missing", true))
	require.Equal(t, []string{"a", "b"}, o.Strings("l"))
	raw, _ := o.Raw("raw")
	require.Equal(t, `{"y": [1]}`, string(raw))
	require.Equal(t, "", o.String("type"), "names match in their own case only")
	require.Empty(t, cmp.Diff(map[string]string{"/TYPE": "unknown field", "/a~1b~0c": "unknown field"}, o.Complaints()))
}

func TestObjectCollectsComplaints(t *testing.T) {
	o := NewObject("/content", []byte(`{"s":1,"n":1.5,"big":99999999999999999999,"b":"true","l":["a",null],"null":null}`))
	o.String("s")
	o.Int("n")
	o.Int("big")
	o.Bool("b", false)
	o.Strings("l")
	o.String("null")
	got := o.Complaints()
	for _, name := range []string{"s", "n", "big", "b", "l", "null"} {
		require.Contains(t, got, "/content/"+name)
	}
	require.Contains(t, NewObject("", []byte(`[]`)).Complaints(), "")
}

func TestCanonical(t *testing.T) {
	canonical := func(s string) string { return string(AppendCanonical(nil, []byte(s))) }
	for _, same := range [][2]string{
		{`{"b":1,"a":[ 1 , 2 ]}`, ` {"a":[1,2],"b":1} `},
		{`"\u00e9\/"`, `"é/"`},
		{`1.50`, `15e-1`},
		{`100`, `1E2`},
		{`-0`, `0`},
		{`0e5`, `0.000`},
	} {
		require.Equal(t, canonical(same[0]), canonical(same[1]))
	}
	for _, differ := range [][2]string{
		{`9007199254740993`, `9007199254740992`}, // equal as doubles
		{`1`, `"1"`},
		{`[1,2]`, `[2,1]`},
		{`-1`, `1`},
		{`10`, `1`},
		{`{"a":null}`, `{}`},
	} {
		require.NotEqual(t, canonical(differ[0]), canonical(differ[1]))
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"\ud83d\ude00"],"b":null}`, `"\u0000"`, `{"a":1,"a":1}`, `-0`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if Check(data) != nil {
			return
		}
		require.True(t, json.Valid(data), "stricter than encoding/json, never laxer")
		require.True(t, utf8.Valid(data))
		once := AppendCanonical(nil, data)
		require.NoError(t, Check(once))
		require.Equal(t, string(once), string(AppendCanonical(nil, once)), "canonical is a fixed point")
		requireEqualNumbers(t, data, once)
		NewObject("", data).Complaints()
	})
}

// requireEqualNumbers compares lone numbers exactly.
func requireEqualNumbers(t *testing.T, a, b []byte) {
	t.Helper()
	text := strings.TrimSpace(string(a))
	if len(text) > 20 || strings.ContainsAny(text, `{["tfn`) {
		return
	}
	if _, power, ok := strings.Cut(strings.ToLower(text), "e"); ok && len(power) > 4 {
		return
	}
	x, okX := new(big.Rat).SetString(text)
	y, okY := new(big.Rat).SetString(string(b))
	require.True(t, okX && okY && x.Cmp(y) == 0, "%s became %s", a, b)
}
