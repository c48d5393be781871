package domain

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// UserProfile is a profile with its metadata, which pages leave out.
type UserProfile struct {
	Profile
	Metadata json.RawMessage `json:"metadata"` // an object of the app; nil: none
}

// Check returns ErrInvalid, with the field's pointer, for values beyond the limits.
func (p *UserProfile) Check(limits Limits) error {
	if err := checkText("/name", p.Name, limits.NameChars); err != nil {
		return err
	}
	if err := checkText("/avatar_url", p.AvatarURL, limits.URLChars); err != nil {
		return err
	}
	return checkMetadata(p.Metadata, limits)
}

// ProfileClaims is the part of a profile that a token carries. A field is nil if the
// token has no such claim, or an invalid one.
type ProfileClaims struct {
	User   UserID
	Name   *string // at most Limits.NameChars
	Avatar *string // a URL, at most Limits.URLChars
	Issued Time    // iat of the token; zero if it has none
}

// Claims returns the profile claims of the token; false if it has none. Invalid claims
// (too long, not UTF-8, with U+0000) are ignored: a token is not refused for them.
func (i *Identity) Claims(limits Limits) (ProfileClaims, bool) {
	c := ProfileClaims{
		User: i.User, Name: claim(i.Name, limits.NameChars), Avatar: claim(i.Picture, limits.URLChars), Issued: i.Issued,
	}
	return c, c.Name != nil || c.Avatar != nil
}

// claim returns the value of a claim, or nil if it is empty or invalid.
func claim(text string, limit int) *string {
	if text == "" || utf8.RuneCountInString(text) > limit || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil
	}
	return &text
}
