package origin

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Origin is an origin in the form in which two of them are compared.
type Origin struct {
	scheme string // in lower case; "" for the origin null
	host   string // in lower case and ASCII; an IPv6 address in brackets; "" if the scheme has none
	port   string // in decimal; "" if there is none and the scheme has no default
}

// maxHost is the maximum size of a host in bytes. Names of the internet have at most
// 253; to convert a long one to ASCII would take too long.
const maxHost = 512

// null is the origin of pages that have none of their own: from files and data URLs, in
// sandboxed frames.
var null = Origin{}

// Parse parses the value of a header Origin. Its errors complete the sentence
// "the Origin …".
func Parse(text string) (Origin, error) {
	if text == "null" {
		return null, nil
	}
	scheme, host, port, err := split(text)
	if err != nil {
		return Origin{}, err
	}
	o := Origin{scheme: scheme}
	if o.host, err = normalizeHost(scheme, host); err != nil {
		return Origin{}, err
	}
	o.port, err = normalizePort(scheme, port)
	return o, err
}

// String returns o as a browser sends it.
func (o Origin) String() string {
	switch {
	case o == null:
		return "null"
	case o.port == "" || o.port == defaultPort(o.scheme):
		return o.scheme + "://" + o.host
	default:
		return o.scheme + "://" + o.host + ":" + o.port
	}
}

// hasAddress reports whether o was loaded from host, which is a Host header: a name or
// an address, perhaps with a port. A missing port is the default of the scheme.
func (o Origin) hasAddress(host string) bool {
	if o.scheme != "http" && o.scheme != "https" {
		return false
	}
	name, port, err := splitPort(host)
	if err != nil {
		return false
	}
	if name, err = normalizeHost(o.scheme, name); err != nil || name != o.host {
		return false
	}
	port, err = normalizePort(o.scheme, port)
	return err == nil && port == o.port
}

// split splits scheme://host[:port]. The scheme is in lower case.
func split(text string) (scheme, host, port string, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case text == "":
		return "", "", "", errors.New("is empty")
	case strings.ContainsAny(text, " \t,"):
		return "", "", "", errors.New("is more than one origin")
	case !ok:
		return "", "", "", errors.New("has no scheme such as https://")
	case !isScheme(scheme):
		return "", "", "", errors.New("has a scheme that is not valid")
	case strings.ContainsAny(rest, `/\?#`):
		return "", "", "", errors.New("has a path or a query")
	case strings.Contains(rest, "@"):
		return "", "", "", errors.New("has a user name")
	}
	host, port, err = splitPort(rest)
	return strings.ToLower(scheme), host, port, err
}

// isScheme reports whether s is a scheme (RFC 3986, 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		switch c := s[i] | 0x20; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0):
		default:
			return false
		}
	}
	return s != ""
}

// splitPort splits host[:port]. An IPv6 address stays in its brackets.
func splitPort(text string) (host, port string, err error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < strings.LastIndexByte(text, ']') || colon < 0 {
		return text, "", nil
	}
	host, port = text[:colon], text[colon+1:]
	switch {
	case port == "":
		return "", "", errors.New("has no port after the colon")
	case strings.Contains(host, ":") && !strings.HasPrefix(host, "["):
		return "", "", errors.New("has an IPv6 address without brackets")
	}
	return host, port, nil
}

// hostnames converts names to ASCII as browsers do.
var hostnames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
	idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule())

// normalizeHost returns a host in the form in which hosts are compared. Only http and
// https have hosts of the internet; for other schemes any name will do, or none.
func normalizeHost(scheme, host string) (string, error) {
	if strings.HasPrefix(host, "[") && len(host) <= maxHost {
		addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(host, "]") {
			return "", errors.New("has an IPv6 address that is not valid")
		}
		return "[" + addr.String() + "]", nil
	}
	internet := scheme == "http" || scheme == "https"
	switch {
	case host == "" && internet:
		return "", errors.New("has no host")
	case len(host) > maxHost:
		return "", errors.New("has a host that is too long")
	case strings.ContainsAny(host, "%<>^|`{}\"*[]") || strings.IndexFunc(host, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) >= 0:
		return "", errors.New("has a host that is not valid")
	case !internet:
		return strings.ToLower(host), nil
	}
	name, err := hostnames.ToASCII(host)
	if err != nil || name == "" {
		return "", errors.New("has a host that is not valid")
	}
	if last := name[strings.LastIndexByte(strings.TrimSuffix(name, "."), '.')+1:]; isNumber(strings.TrimSuffix(last, ".")) {
		// Browsers send IPv4 addresses in this form only.
		if addr, err := netip.ParseAddr(name); err != nil || addr.String() != name {
			return "", errors.New("has an IPv4 address that is not of the form 192.0.2.1")
		}
	}
	return strings.ToLower(name), nil
}

// isNumber reports whether browsers take the last label of a host for a number.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// normalizePort returns a port in decimal, or the default of the scheme for "".
func normalizePort(scheme, port string) (string, error) {
	if port == "" {
		return defaultPort(scheme), nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '+' {
		return "", errors.New("has a port that is not valid")
	}
	return strconv.FormatUint(n, 10), nil
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	default:
		return ""
	}
}
