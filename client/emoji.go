package client

import (
	"strings"
	"unicode"

	"im/domain"
)

// textByDefault are the emojis that fonts show as text unless U+FE0F follows: the
// characters with the property Emoji of Unicode and without Emoji_Presentation.
const textByDefault = "" +
	"©®‼⁉™ℹ↔↕↖↗↘↙↩↪⌨⏏⏭⏮⏯⏱⏲⏸⏹⏺Ⓜ▪▫▶◀◻◼☀☁☂☃☄☎☑☘☝☠☢☣☦☪☮☯☸" +
	"☹☺♀♂♟♠♣♥♦♨♻♾⚒⚔⚕⚖⚗⚙⚛⚜⚠⚧⚰⚱⛈⛏⛑⛓⛩⛰⛱⛴⛷⛸⛹✂✈✉✌✍✏✒✔✖✝✡✳✴" +
	"❄❇❣❤➡⤴⤵⬅⬆⬇〰〽㊗㊙🅰🅱🅾🅿🈂🈷🌡🌤🌥🌦🌧🌨🌩🌪🌫🌬🌶🍽🎖🎗🎙🎚🎛🎞🎟🏋🏌🏍🏎🏔🏕🏖🏗🏘" +
	"🏙🏚🏛🏜🏝🏞🏟🏳🏵🏷🐿👁📽🕉🕊🕯🕰🕳🕴🕵🕶🕷🕸🕹🖇🖊🖋🖌🖍🖐🖥🖨🖱🖲🖼🗂🗃🗄🗑🗒🗓🗜🗝🗞🗡🗣🗨🗯" +
	"🗳🗺🛋🛍🛎🛏🛠🛡🛢🛣🛤🛥🛩🛰🛳"

const (
	emojiSelector = '\uFE0F' // asks for the emoji form of the character before it
	joiner        = '\u200D' // makes one emoji of two
	keycap        = '\u20E3' // encloses the digit, # or * before it
)

// EmojiForm returns the emoji of a reaction as it should be shown: with U+FE0F wherever
// the fully-qualified form of Unicode has it. Events and lists of reactions have emojis
// without it, and fonts show some of those as text: ❤ instead of ❤️. A text that is not an
// emoji is returned as it is. Compare emojis without it.
func EmojiForm(emoji string) string {
	var b strings.Builder
	chars := []rune(domain.NormalizeEmoji(emoji))
	for i, r := range chars {
		var next rune
		if i+1 < len(chars) {
			next = chars[i+1]
		}
		if !partOfEmoji(r, next) {
			return emoji
		}
		b.WriteRune(r)
		if next == keycap || strings.ContainsRune(textByDefault, r) && !isSkinTone(next) {
			b.WriteRune(emojiSelector)
		}
	}
	return b.String()
}

// partOfEmoji reports whether r may be a character of an emoji.
func partOfEmoji(r, next rune) bool {
	switch {
	case r == joiner, r == keycap, isSkinTone(r), strings.ContainsRune(textByDefault, r):
		return true
	case '\U000E0020' <= r && r <= '\U000E007F': // tags, of the flags of parts of countries
		return true
	case r <= unicode.MaxASCII:
		return next == keycap && strings.ContainsRune("0123456789#*", r)
	}
	return r >= 0x1F000 && r < 0x1FB00 || unicode.Is(unicode.So, r)
}

func isSkinTone(r rune) bool { return '\U0001F3FB' <= r && r <= '\U0001F3FF' }
