package domain_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/domain/domaintest"
)

func TestNormalizeEmoji(t *testing.T) {
	for emoji, want := range map[string]string{
		"👍": "👍", "👍\uFE0F": "👍", "👍\uFE0F\uFE0F": "👍",
		"❤": "❤", "❤\uFE0F": "❤",
		"👍🏽": "👍🏽", "👍🏽\uFE0F": "👍🏽", "☝\uFE0F🏽": "☝🏽", // another skin tone is another reaction
		"1\uFE0F\u20E3": "1\u20E3", "1\u20E3": "1\u20E3", "1\uFE0F": "1", "#\uFE0F\u20E3": "#\u20E3",
		"🇩🇪": "🇩🇪", "🇩🇪\uFE0F": "🇩🇪",
		"🏴󠁧󠁢󠁥󠁮󠁧󠁿": "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴": "🏴",
		"👨‍👩‍👧‍👦": "👨‍👩‍👧‍👦", "❤\uFE0F\u200D🔥": "❤\u200D🔥", "🏳\uFE0F\u200D🌈": "🏳\u200D🌈", "🏴\u200D☠\uFE0F": "🏴\u200D☠",
		"🤷🏽\u200D♀\uFE0F": "🤷🏽\u200D♀", "🤷🏽\u200D♂\uFE0F": "🤷🏽\u200D♂", "🤷🏽": "🤷🏽",
		"❤\uFE0E": "❤\uFE0E", // asks for text
		"+1":      "+1", ":heart:": ":heart:", "schön": "schön", "e\u0301": "e\u0301", "\uFE0F": "", "": "",
	} {
		require.Equal(t, want, domain.NormalizeEmoji(emoji), "%+q", emoji)
	}
}

// emojiForms returns the forms of each emoji of Unicode, the fully-qualified one first.
func emojiForms(t testing.TB) (emojis [][]string) {
	t.Helper()
	data, err := os.ReadFile("testdata/emoji-forms.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "# ") {
			emojis = append(emojis, strings.Split(line, " "))
		}
	}
	require.Len(t, emojis, 3664)
	return emojis
}

// All forms of an emoji have one normalized form, and no other emoji has it.
func TestNormalizedEmojisOfUnicode(t *testing.T) {
	owner := map[string]string{}
	for _, forms := range emojiForms(t) {
		key := domain.NormalizeEmoji(forms[0])
		require.Empty(t, owner[key], "%s and %s are different emojis", owner[key], forms[0])
		owner[key] = forms[0]
		for _, form := range forms {
			require.Equal(t, key, domain.NormalizeEmoji(form), "%+q", form)
		}
		require.LessOrEqual(t, len(key), domain.DefaultLimits().EmojiBytes)
	}
}

// A reaction that is added in one form is there in every form, and is removed by any.
func TestReactionsInAnyForm(t *testing.T) {
	emojis := emojiForms(t)
	chat, log := newChat(t)
	ctx, mia := t.Context(), domain.Actor{User: "mia"}
	rapid.Check(t, func(t *rapid.T) {
		forms := rapid.SampledFrom(emojis).Draw(t, "emoji")
		form := func(label string) string {
			var b strings.Builder
			for _, r := range rapid.SampledFrom(forms).Draw(t, label) {
				b.WriteRune(r)
				b.WriteString(strings.Repeat("\uFE0F", rapid.IntRange(0, 2).Draw(t, "selectors")))
			}
			return b.String()
		}
		key := domain.NormalizeEmoji(forms[0])
		require.Equal(t, key, domain.NormalizeEmoji(key), "normalizing again changes nothing")

		seq := log.Append(groupID, domaintest.NewDraft(domain.MessagePosted, "olga", domain.PostedBody{Content: text("hi")}))[0].Seq
		made, err := chat.React(ctx, mia, groupID, seq, form("added"))
		require.NoError(t, err)
		require.Len(t, made, 1)
		var body domain.ReactionBody
		require.NoError(t, json.Unmarshal(made[0].Body, &body))
		require.Equal(t, key, body.Emoji)
		again, err := chat.React(ctx, mia, groupID, seq, form("again"))
		require.NoError(t, err)
		require.Empty(t, again)
		removed, err := chat.Unreact(ctx, mia, groupID, seq, form("removed"))
		require.NoError(t, err)
		require.Len(t, removed, 1)
		left, _ := log.ReactionsOf(groupID, seq)
		require.Empty(t, left)
	})
}

// The bytes of an emoji are counted without U+FE0F, so that no form of an emoji is
// refused while another is accepted.
func TestEmojiBytesAreThoseOfTheStoredForm(t *testing.T) {
	chat, log := newChat(t)
	seq := log.Append(groupID, domaintest.NewDraft(domain.MessagePosted, "olga", domain.PostedBody{Content: text("hi")}))[0].Seq
	longest := strings.Repeat("❤\uFE0F", 21) // 63 bytes of 126
	_, err := chat.React(t.Context(), domain.Actor{User: "mia"}, groupID, seq, longest)
	require.NoError(t, err)
	_, err = chat.React(t.Context(), domain.Actor{User: "mia"}, groupID, seq, longest+"❤")
	require.ErrorIs(t, err, domain.ErrInvalid)
	_, err = chat.React(t.Context(), domain.Actor{User: "mia"}, groupID, seq, "\uFE0F")
	require.ErrorIs(t, err, domain.ErrInvalid, "nothing is left")
}
