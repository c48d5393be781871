package settings

import (
	"net/url"
	"regexp"
	"strings"
)

// Redacted takes the place of a secret.
const Redacted = "[redacted]"

var (
	// The password of a URL ends at the last @ before the path. If it is not escaped, it
	// may have / ? # and @ in it, so the end is the last @ before the next URL.
	urlPassword = regexp.MustCompile(`(://[^:/?#@,\s]*:)([^\s]*)@`)
	// Parameters of URLs, and keywords of PostgreSQL, such as password, sslpassword and
	// sentinel_password.
	parameter = regexp.MustCompile(`(?i)(\w*(?:password|passwd|secret|token|key|signature)\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s,]*)`)
	// The name of a file is no secret.
	fileParameter = regexp.MustCompile(`(?i)^sslkey\b`)
)

// Redact returns a value without the passwords and keys of the URLs in it. Value may hold
// several URLs, with commas between them, or keywords as of PostgreSQL.
func Redact(value string) string {
	parts := splitURLs(value)
	for i, part := range parts {
		part = urlPassword.ReplaceAllString(part, "${1}"+Redacted+"@")
		parts[i] = parameter.ReplaceAllStringFunc(part, func(found string) string {
			name := parameter.FindStringSubmatch(found)[1]
			if fileParameter.MatchString(name) {
				return found
			}
			return name + Redacted
		})
	}
	return strings.Join(parts, ",")
}

// Passwords returns the passwords and keys that Redact takes out, as they are written, and
// those of URLs also unescaped and as a query has them.
func Passwords(value string) (list []string) {
	for _, part := range splitURLs(value) {
		for _, found := range urlPassword.FindAllStringSubmatch(part, -1) {
			list = append(list, found[2])
			if password, err := url.PathUnescape(found[2]); err == nil {
				list = append(list, password, url.QueryEscape(password))
			}
		}
		for _, found := range parameter.FindAllStringSubmatch(urlPassword.ReplaceAllString(part, ""), -1) {
			if !fileParameter.MatchString(found[1]) {
				list = append(list, strings.Trim(found[2], "'"))
			}
		}
	}
	return list
}

// splitURLs splits at the commas before a URL. A comma may also be in a password.
func splitURLs(value string) (parts []string) {
	rest := value
	for from := 0; ; {
		i := strings.IndexByte(rest[from:], ',')
		if i < 0 {
			return append(parts, rest)
		}
		from += i + 1
		if beginsURL.MatchString(rest[from:]) {
			parts, rest, from = append(parts, rest[:from-1]), rest[from:], 0
		}
	}
}

var beginsURL = regexp.MustCompile(`^\s*[a-z][a-z0-9+.-]*://`)
