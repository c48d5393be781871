package domain

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// UserProfile is all that is known of a user.
type UserProfile struct {
	Profile
	Metadata json.RawMessage `json:"metadata"`
}

// Check refuses values beyond the limits, with the field's pointer.
func (p *UserProfile) Check(limits Limits) error {
	if err := checkText("/name", p.Name, limits.NameChars); err != nil {
		return err
	}
	if err := checkText("/avatar_url", p.AvatarURL, limits.URLChars); err != nil {
		return err
	}
	return checkMetadata(p.Metadata, limits)
}

// ProfileClaims are what a token says of its user's profile. Nil is what it does not say.
type ProfileClaims struct {
	User   UserID
	Name   *string
	Avatar *string
	Issued Time // zero if the token does not say
}

// Claims returns the profile claims of the token; false if it has none. Those
// that are no profile's, too long or not text, count as not there: a token is
// not refused for them.
func (i *Identity) Claims(limits Limits) (ProfileClaims, bool) {
	c := ProfileClaims{
		User: i.User, Name: claim(i.Name, limits.NameChars), Avatar: claim(i.Picture, limits.URLChars), Issued: i.Issued,
	}
	return c, c.Name != nil || c.Avatar != nil
}

func claim(text string, limit int) *string {
	if text == "" || utf8.RuneCountInString(text) > limit || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil
	}
	return &text
}
