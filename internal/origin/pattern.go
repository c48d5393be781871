package origin

import (
	"errors"
	"fmt"
	"strings"
)

// pattern is what the operator allows: one origin, or several.
type pattern struct {
	origin Origin // what all of them have in common; host and port as far as they are given

	all        bool // every origin
	files      bool // those of pages from files: file:// and null
	subdomains bool // the host is one of the names below origin.host
	anyHost    bool
	anyPort    bool
}

// parsePattern parses one element of the setting. Its errors say what to write instead,
// if that is known. It refuses what no browser sends, since that would never match.
func parsePattern(text string) (pattern, error) {
	switch text {
	case "*":
		return pattern{all: true}, nil
	case "null":
		return pattern{origin: null}, nil
	case "file://", "file:///":
		return pattern{files: true}, nil
	}
	p, err := parseAddress(text)
	if err != nil {
		return pattern{}, fmt.Errorf("%q %w%s", text, err, suggestion(text))
	}
	return p, nil
}

// parseAddress parses scheme://host[:port] with wildcards.
func parseAddress(text string) (p pattern, err error) {
	scheme, host, port, err := split(text)
	if err != nil {
		return pattern{}, err
	}
	switch scheme {
	case "ws", "wss":
		return pattern{}, errors.New("is no origin of a page: pages have http or https")
	case "data", "blob", "about", "javascript":
		return pattern{}, errors.New("is no origin: browsers send null for such pages")
	case "file":
		return pattern{}, errors.New("has a host: pages from files have the origin file://")
	}
	p.origin.scheme = scheme
	if below, ok := strings.CutPrefix(host, "*."); ok {
		p.subdomains, host = true, below
		if host == "" {
			return pattern{}, errors.New("has no name after the wildcard")
		}
	} else if host == "*" {
		p.anyHost, host = true, ""
	}
	if strings.Contains(host, "*") {
		return pattern{}, errors.New("has a wildcard that is not the first label, as in https://*.example.com")
	}
	if !p.anyHost {
		if p.origin.host, err = normalizeHost(scheme, host); err != nil {
			return pattern{}, err
		}
	}
	if p.subdomains && (strings.HasPrefix(host, "[") || isNumber(host[strings.LastIndexByte(host, '.')+1:])) {
		return pattern{}, errors.New("has a wildcard before an address")
	}
	if port == "*" {
		p.anyPort = true
		return p, nil
	}
	p.origin.port, err = normalizePort(scheme, port)
	return p, err
}

// suggestion returns what the operator may have meant, as the end of an error.
func suggestion(text string) string {
	if strings.ContainsAny(text, " \t") {
		return "; write commas between origins"
	}
	candidate := text
	if !strings.Contains(candidate, "://") {
		candidate = "https://" + candidate
	}
	scheme, rest, _ := strings.Cut(candidate, "://")
	switch strings.ToLower(scheme) {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	if end := strings.IndexAny(rest, `/\?#`); end >= 0 {
		rest = rest[:end]
	}
	candidate = scheme + "://" + rest
	if _, err := parseAddress(candidate); err != nil || candidate == text {
		return ""
	}
	return "; write " + candidate
}

// matches reports whether o is one of the origins of p.
func (p pattern) matches(o Origin) bool {
	switch {
	case p.all:
		return true
	case p.files:
		return o == null || o.scheme == "file" && o.host == ""
	case o.scheme != p.origin.scheme:
		return false
	case p.subdomains && (!strings.HasSuffix(o.host, "."+p.origin.host) || len(o.host) == len(p.origin.host)+1):
		return false
	case !p.subdomains && !p.anyHost && o.host != p.origin.host:
		return false
	}
	return p.anyPort || o.port == p.origin.port
}

// isWide reports whether any page on the internet can have an origin of p. Any page can
// have the origin null, by loading a part of itself into a sandboxed frame.
func (p pattern) isWide() bool {
	return p.all || p.files || p.origin == null && !p.anyHost && !p.subdomains || p.anyHost && (p.origin.scheme == "http" || p.origin.scheme == "https")
}
