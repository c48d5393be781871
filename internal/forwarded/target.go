package forwarded

import (
	"net"
	"net/http"
	"strings"
)

// Target is where a client sent a request.
type Target struct {
	// Hosts are the hosts, with or without a port, that the request may have been sent
	// to: its own Host first, then those that trusted proxies name.
	Hosts []string
	// TLS means that the client is known to have used TLS. It is false if the client
	// did not, and if a proxy ended TLS without saying so.
	TLS bool
}

// Target returns where the client sent a request.
//
// Every host that a trusted proxy passes on counts, also one that the client wrote
// itself. That is safe for the comparison with an Origin: a web page can set neither
// these headers on a WebSocket nor, without a preflight, on other requests.
func (p Proxies) Target(r *http.Request) Target {
	t := Target{Hosts: []string{r.Host}, TLS: r.TLS != nil}
	if remote := ParseHop(r.RemoteAddr); !remote.IsValid() || !p.Trust(remote) {
		return t
	}
	for _, host := range values(r, "X-Forwarded-Host") {
		t.add(host)
	}
	scheme := first(values(r, "X-Forwarded-Proto"))
	for _, e := range parseForwarded(r.Header.Values("Forwarded")) {
		t.add(e.host)
		if scheme == "" {
			scheme = e.scheme
		}
	}
	if port := first(values(r, "X-Forwarded-Port")); port != "" {
		for _, host := range t.Hosts {
			if _, _, err := net.SplitHostPort(host); err != nil {
				t.add(host + ":" + port)
			}
		}
	}
	// The first value is that of the proxy which the client connected to.
	t.TLS = t.TLS || strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "wss")
	return t
}

func (t *Target) add(host string) {
	if host != "" && host != t.Hosts[0] {
		t.Hosts = append(t.Hosts, host)
	}
}

// values returns the elements of a header that is a list.
func values(r *http.Request, name string) (list []string) {
	for _, line := range r.Header.Values(name) {
		for element := range strings.SplitSeq(line, ",") {
			if element = strings.TrimSpace(element); element != "" {
				list = append(list, element)
			}
		}
	}
	return list
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// element is what one proxy has written into Forwarded.
type element struct{ client, host, scheme string }

// parseForwarded parses the header Forwarded (RFC 7239), the first proxy first. It
// returns nothing if the header is malformed, since then its end is not known to be
// what a trusted proxy has written.
func parseForwarded(lines []string) (list []element) {
	for _, rest := range lines {
		for e := (element{}); ; {
			name, value, tail, ok := parsePair(rest)
			if !ok {
				return nil
			}
			switch strings.ToLower(name) {
			case "for":
				e.client = value
			case "host":
				e.host = value
			case "proto":
				e.scheme = value
			}
			end := tail == "" || tail[0] == ','
			if end {
				list, e = append(list, e), element{}
			}
			if tail == "" {
				break
			}
			rest = tail[1:]
		}
	}
	return list
}

// parsePair parses one name=value at the beginning of s, or nothing at all. tail is
// what follows: empty, or beginning with the separator.
func parsePair(s string) (name, value, tail string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if s == "" || s[0] == ',' || s[0] == ';' {
		return "", "", s, true
	}
	name, s, ok = strings.Cut(s, "=")
	if !ok || strings.ContainsAny(name, " \t,;\"") {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, s, ok = unquote(s[1:])
		if !ok {
			return "", "", "", false
		}
	} else {
		end := strings.IndexAny(s, ",; \t")
		if end < 0 {
			end = len(s)
		}
		value, s = s[:end], s[end:]
	}
	s = strings.TrimLeft(s, " \t")
	return name, value, s, s == "" || s[0] == ',' || s[0] == ';'
}

// unquote reads a quoted string up to its closing quote.
func unquote(s string) (value, tail string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
