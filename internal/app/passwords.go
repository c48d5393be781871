package app

import (
	"fmt"
	"net/url"
	"strings"
)

// A password may hold characters that a URL cannot hold unescaped. So each URL of a
// service has a setting for its password beside it.

// withPassword returns raw, the URL of a service, with a password, which replaces one in
// raw. An empty password changes nothing. raw may hold several URLs, separated by commas.
func withPassword(raw, password string) string {
	if password == "" {
		return raw
	}
	parts := strings.Split(raw, ",")
	for i, part := range parts {
		scheme, rest, isURL := strings.Cut(part, "://")
		if !isURL {
			continue // a further host of the URL before it
		}
		authority, path := cutAuthority(rest)
		at := strings.LastIndexByte(authority, '@')
		user, _, _ := strings.Cut(authority[:max(at, 0)], ":")
		parts[i] = scheme + "://" + user + ":" + escape(password) + "@" + authority[at+1:] + path
	}
	return strings.Join(parts, ",")
}

// DatabaseURL returns raw, a URL of PostgreSQL, with the password if there is one. An empty
// URL stays empty. It is an error if raw seems to have a password that is not escaped.
func DatabaseURL(raw, password string) (string, error) {
	if err := checkEscaped("IM_DATABASE", raw); err != nil || raw == "" {
		return "", err
	}
	return withDatabasePassword(raw, password), nil
}

// DirectURL is DatabaseURL for IM_DATABASE_DIRECT_URL and IM_DATABASE_REPLICA_URL, whose own
// passwords stay: another role may migrate or read.
func DirectURL(raw, password string) (string, error) {
	if hasPassword(raw) {
		password = ""
	}
	return DatabaseURL(raw, password)
}

// withDatabasePassword is withPassword for PostgreSQL, whose URL may also be a list of
// keywords and values, such as "host=db user=im".
func withDatabasePassword(raw, password string) string {
	switch {
	case password == "":
		return raw
	case !strings.Contains(raw, "://"):
		return raw + " password='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password) + "'"
	}
	separator := "?"
	if strings.Contains(raw, "?") {
		separator = "&"
	}
	return raw + separator + "password=" + escape(password)
}

// hasPassword reports whether a URL or a list of keywords for PostgreSQL has a password.
func hasPassword(raw string) bool {
	if !strings.Contains(raw, "://") {
		return strings.Contains(raw, "password")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	_, ok := u.User.Password()
	return ok || u.Query().Has("password")
}

// escape escapes a password for any part of a URL, a list of URLs included.
func escape(password string) string {
	return strings.ReplaceAll(url.QueryEscape(password), "+", "%20") // + is a space in queries only
}

// cutAuthority splits what follows the scheme of a URL into the authority, which is
// user, password and host, and the rest.
func cutAuthority(s string) (authority, rest string) {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// checkEscaped returns an error if raw seems to have a password that holds one of / ? # or
// a % that is not escaped. Such a URL would name another host, or be malformed.
func checkEscaped(setting, raw string) error {
	_, rest, isURL := strings.Cut(raw, "://")
	if !isURL {
		return nil
	}
	authority, rest := cutAuthority(rest)
	path, _, _ := strings.Cut(rest, "?")
	bad := !strings.Contains(authority, "@") && (strings.Contains(path, "@") || strings.Contains(rest, "@") && !endsWithPort(authority))
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		_, err := url.PathUnescape(authority[:at])
		bad = bad || err != nil
	}
	if !bad {
		return nil
	}
	return fmt.Errorf("%s_URL: a password with / ? # or %% must be percent-encoded; or leave it out and set %s_PASSWORD", setting, setting)
}

// endsWithPort reports whether an authority is a host without a port, or with one that is
// a number.
func endsWithPort(authority string) bool {
	colon := strings.LastIndexByte(authority, ':')
	return colon < 0 || colon > 0 && strings.Trim(authority[colon+1:], "0123456789") == ""
}
