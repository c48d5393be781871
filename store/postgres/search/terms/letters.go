package terms

import "unicode"

// plainLetters are the letters that are read as others: those that Unicode does not
// decompose into a letter and a mark, and letters of one sound that keyboards of different
// languages write differently. The keys are lower-case and without marks.
var plainLetters = map[rune]string{
	// Latin, as in the transform Latin-ASCII of CLDR; ə and ɔ as they are typed without
	// such a keyboard.
	'ß': "ss", 'æ': "ae", 'ð': "d", 'ø': "o", 'þ': "th", 'đ': "d", 'ħ': "h", 'ı': "i", 'ĸ': "q", 'ł': "l", 'ŋ': "n", 'œ': "oe", 'ŧ': "t",
	'ƀ': "b", 'ƃ': "b", 'ƈ': "c", 'ƌ': "d", 'ƒ': "f", 'ƙ': "k", 'ƚ': "l", 'ƞ': "n", 'ƥ': "p", 'ƭ': "t", 'ƴ': "y", 'ƶ': "z",
	'ǝ': "e", 'ǥ': "g", 'ȼ': "c", 'ɇ': "e", 'ɉ': "j", 'ɍ': "r", 'ɏ': "y", 'ɓ': "b", 'ɔ': "o", 'ɖ': "d", 'ɗ': "d", 'ə': "e", 'ɛ': "e",
	'ɠ': "g", 'ɡ': "g", 'ɨ': "i", 'ɩ': "i", 'ɫ': "l", 'ɲ': "n", 'ɽ': "r", 'ʉ': "u", 'ʋ': "v", 'ⱥ': "a", 'ⱦ': "t",

	// Cyrillic letters with a stroke or a descender.
	'ґ': "г", 'ғ': "г", 'җ': "ж", 'ҙ': "з", 'қ': "к", 'ҡ': "к", 'ң': "н", 'ө': "о", 'ҫ': "с", 'ү': "у", 'ұ': "у", 'ҳ': "х", 'ҷ': "ч",

	// Arabic, Persian, Urdu and Kurdish forms of alef, yeh, kaf and heh.
	'ٱ': "ا", 'ٲ': "ا", 'ٳ': "ا", 'ى': "ي", 'ی': "ي", 'ک': "ك", 'ڪ': "ك", 'ة': "ه", 'ە': "ه", 'ہ': "ه", 'ۃ': "ه",
}

// hiragana returns the hiragana for a katakana, and other characters as they are.
func hiragana(r rune) rune {
	switch {
	case 'ァ' <= r && r <= 'ヶ':
		return r - 'ァ' + 'ぁ'
	case r == 'ヽ', r == 'ヾ':
		return r - 'ヽ' + 'ゝ'
	}
	return r
}

// digit returns the ASCII digit for a decimal digit of any script, and other characters as
// they are. Unicode has decimal digits in tens, from 0 to 9.
func digit(r rune) rune {
	if r < 0x0660 || !unicode.Is(unicode.Nd, r) {
		return r
	}
	for _, block := range unicode.Nd.R16 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return '0' + (r-rune(block.Lo))%10
		}
	}
	for _, block := range unicode.Nd.R32 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return '0' + (r-rune(block.Lo))%10
		}
	}
	return r
}
