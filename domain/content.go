package domain

import (
	"bytes"
	"encoding/json"
	"maps"
	"unicode/utf8"

	"im/internal/strictjson"
)

// The content types of contract v1.
const (
	contentText   = "text"
	contentImage  = "image"
	contentFile   = "file"
	contentAudio  = "audio"
	contentVideo  = "video"
	contentCustom = "custom"
)

// Limits of the contract, in characters, that are not in Limits.
const (
	maxBizType      = 64
	maxAttachmentID = 64
	maxFileName     = 255
	maxMIME         = 127 // type and subtype each, RFC 4288
)

// checkContent validates the content of a posting or an edit, at /content. It must be
// strict JSON; its bytes are kept unchanged. It returns the attachment that the content
// names, if it names one.
func checkContent(content json.RawMessage, limits Limits) (ref attachmentRef, err error) {
	if len(content) > limits.ContentBytes {
		return ref, ErrTooLarge.WithField("/content", "longer than content_bytes")
	}
	if len(content) == 0 {
		return ref, Invalid("/content", "is required")
	}
	o, err := strictjson.Parse("/content", content)
	if err != nil {
		return ref, InvalidJSON("/content", err)
	}
	if !isObject(content) {
		return ref, Invalid("/content", "must be an object")
	}
	switch o.String("type") {
	case contentText:
		requireString(o, "text", limits.ContentBytes)
	case contentImage, contentFile, contentAudio, contentVideo:
		checkMedia(o, limits)
		ref = attachmentOf(o)
	case contentCustom:
		requireString(o, "biz_type", maxBizType)
		if !o.Has("data") {
			o.Reject("data", "is required")
		}
	default:
		return ref, Invalid("/content/type", "must be text, image, file, audio, video or custom")
	}
	if complaints := o.Complaints(); complaints != nil {
		return attachmentRef{}, invalidFields(complaints)
	}
	return ref, nil
}

// isObject reports whether text, which must be valid JSON, is an object.
func isObject(text json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}

// checkMedia validates the members that image, file, audio and video share.
func checkMedia(o *strictjson.Object, limits Limits) {
	if o.Has("url") == o.Has("attachment_id") {
		o.Reject("url", "exactly one of url and attachment_id is required")
	}
	if o.Has("url") {
		requireString(o, "url", limits.URLChars)
	}
	if o.Has("attachment_id") {
		requireString(o, "attachment_id", maxAttachmentID)
	}
	o.Length("text")
	o.Length("preview")
	optionalString(o, "name", maxFileName)
	optionalString(o, "mime", 2*maxMIME+1)
	for _, name := range []string{"size", "width", "height", "duration_ms"} {
		if n, ok := o.Int(name); ok && n < 0 {
			o.Reject(name, "must not be negative")
		}
	}
}

func requireString(o *strictjson.Object, name string, limit int) {
	if !o.Has(name) {
		o.Reject(name, "is required")
		return
	}
	if optionalString(o, name, limit) == 0 {
		o.Reject(name, "must not be empty")
	}
}

// optionalString validates a string, if there is one. It returns its length, 0 if there
// is none.
func optionalString(o *strictjson.Object, name string, limit int) (chars int) {
	chars = o.Length(name)
	if chars > limit {
		o.Reject(name, tooLong(limit))
	}
	return chars
}

// checkMetadata validates an object of the app, at /metadata; nil stands for none.
func checkMetadata(metadata json.RawMessage, limits Limits) error {
	if metadata == nil {
		return nil
	}
	if len(metadata) > limits.MetadataBytes {
		return Invalid("/metadata", "longer than metadata_bytes")
	}
	if err := strictjson.Check(metadata); err != nil {
		return InvalidJSON("/metadata", err)
	}
	if !isObject(metadata) {
		return Invalid("/metadata", "must be an object")
	}
	return nil
}

// checkText validates a string of at most limit characters that came with a decoded
// request; nil stands for none.
func checkText(pointer string, s *string, limit int) error {
	if s == nil {
		return nil
	}
	if !utf8.ValidString(*s) {
		return Invalid(pointer, "must be valid UTF-8")
	}
	for i := range len(*s) {
		if (*s)[i] == 0 {
			return Invalid(pointer, "U+0000 is not allowed")
		}
	}
	if utf8.RuneCountInString(*s) > limit {
		return Invalid(pointer, tooLong(limit))
	}
	return nil
}

func tooLong(limit int) string {
	return "must have at most " + string(appendInt(nil, int64(limit))) + " characters"
}

func invalidFields(fields map[string]string) *Error {
	e := *ErrInvalid
	e.Fields = maps.Clone(fields)
	return &e
}
