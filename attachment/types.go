package attachment

import (
	"bytes"
	"strings"
	"unicode"
)

// headBytes is how much of a file the check of its type reads.
const headBytes = 512

// kind is a media type whose files are recognized by their first bytes.
type kind struct {
	begins func(head []byte) bool
	inline bool // browsers may show it in a page: it runs no code
}

// kinds are the media types that are checked. A file of another type may have any bytes; it
// is served as bytes to save.
var kinds = map[string]kind{
	"image/png":       {starts("\x89PNG\r\n\x1a\n"), true},
	"image/jpeg":      {starts("\xff\xd8\xff"), true},
	"image/gif":       {starts("GIF87a", "GIF89a"), true},
	"image/webp":      {riff("WEBP"), true},
	"image/avif":      {box("avif", "avis"), true},
	"audio/mpeg":      {isMP3, true},
	"audio/mp4":       {box(), true},
	"audio/ogg":       {starts("OggS"), true},
	"audio/wav":       {riff("WAVE"), true},
	"audio/webm":      {starts("\x1a\x45\xdf\xa3"), true},
	"audio/flac":      {starts("fLaC"), true},
	"video/mp4":       {box(), true},
	"video/webm":      {starts("\x1a\x45\xdf\xa3"), true},
	"video/ogg":       {starts("OggS"), true},
	"video/quicktime": {box(), true},
	"application/pdf": {starts("%PDF-"), false},
	"application/zip": {starts("PK\x03\x04", "PK\x05\x06"), false},
}

func starts(with ...string) func([]byte) bool {
	return func(head []byte) bool {
		for _, text := range with {
			if bytes.HasPrefix(head, []byte(text)) {
				return true
			}
		}
		return false
	}
}

func riff(form string) func([]byte) bool {
	return func(head []byte) bool {
		return len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == form
	}
}

// box recognizes the first box of an ISO media file, with one of the brands if some are
// given.
func box(brands ...string) func([]byte) bool {
	return func(head []byte) bool {
		if len(head) < 12 || string(head[4:8]) != "ftyp" {
			return false
		}
		for _, brand := range brands {
			if string(head[8:12]) == brand {
				return true
			}
		}
		return len(brands) == 0
	}
}

// isMP3 recognizes an ID3 tag, or the sync word of a frame of layer III.
func isMP3(head []byte) bool {
	return bytes.HasPrefix(head, []byte("ID3")) || len(head) > 1 && head[0] == 0xff && head[1]&0xe6 == 0xe2
}

// fits reports whether a file that begins with head may be of the type.
func fits(mime string, head []byte) bool {
	k, known := kinds[mime]
	return !known || k.begins(head)
}

// served returns the headers Content-Type and Content-Disposition of a file. A type that is
// not known to be harmless is bytes to save, whatever the uploader has declared.
func served(mime, name string) (contentType, disposition string) {
	if kinds[mime].inline {
		return mime, "inline" + fileName(name)
	}
	return "application/octet-stream", "attachment" + fileName(name)
}

// fileName returns the parameters that name a file: once for old programs in ASCII, once in
// UTF-8 (RFC 6266). A name may be any text. Folders, control characters and characters that
// turn the direction of text are removed.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if name = strings.TrimLeft(strings.TrimSpace(name), "."); name == "" {
		name = "file"
	}
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"
	ascii := strings.Map(func(r rune) rune {
		if r == ' ' || strings.ContainsRune(plain, r) {
			return r
		}
		return '_'
	}, name)
	var encoded strings.Builder
	for _, b := range []byte(name) {
		if strings.IndexByte(plain, b) >= 0 {
			encoded.WriteByte(b)
			continue
		}
		const hex = "0123456789ABCDEF"
		encoded.Write([]byte{'%', hex[b>>4], hex[b&15]})
	}
	return `; filename="` + ascii + `"; filename*=UTF-8''` + encoded.String()
}
