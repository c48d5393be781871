package client_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
)

func TestEmojiForm(t *testing.T) {
	data, err := os.ReadFile("../domain/testdata/emoji-forms.txt")
	require.NoError(t, err)
	emojis := 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "# ") {
			continue
		}
		emojis++
		forms := strings.Split(line, " ")
		for _, form := range append(forms, domain.NormalizeEmoji(forms[0])) {
			require.Equal(t, forms[0], client.EmojiForm(form), "%+q", form)
		}
	}
	require.Equal(t, 3664, emojis)
	for _, other := range []string{"", "+1", ":heart:", "1", "#", "a\u20E3", "ok ❤", "hé", "❤\uFE0E", "北京", "e\u0301"} {
		require.Equal(t, other, client.EmojiForm(other), "%+q", other)
	}
}
