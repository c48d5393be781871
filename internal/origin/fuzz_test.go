package origin

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzParse: what is parsed is an origin, and it is the same when it is parsed again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com:443", "http://[::1]:8080", "null", "app://", "https://bücher.example", "https://a/b", "https://a:b@c", "x", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(o.String())
		if err != nil || again != o {
			t.Fatalf("%q is %q, and then %q, %v", text, o, again, err)
		}
		if o == null {
			return
		}
		if strings.ContainsAny(o.host+o.port, "/\\?#@* ") {
			t.Fatalf("%q has the host %q and the port %q", text, o.host, o.port)
		}
		// Go's own parser of URLs sees the same host in what is printed.
		if u, err := url.Parse(o.String()); err == nil && o.scheme == "https" && !strings.EqualFold(u.Scheme, o.scheme) {
			t.Fatalf("%q has the scheme %q", text, u.Scheme)
		}
	})
}

// FuzzCheck: whatever a page sends, it is allowed only if it is in the domain that the
// operator names, or from the host of the request.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"https://a.example.com", "https://example.com", "https://evil.example", "https://a.example.com.evil.example", "https://evil.example/.example.com",
		"https://chat.example", "https://evil.example#.example.com", "https://x\u3002example.com", "null",
	} {
		f.Add(seed)
	}
	p, err := New(Options{Allowed: []string{"https://*.example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p.Check(sent("chat.example", map[string][]string{"Origin": {text}})) != nil {
			return
		}
		o, err := Parse(text)
		if err != nil {
			t.Fatalf("%q is allowed and cannot be parsed: %v", text, err)
		}
		own := o.host == "chat.example" && (o.String() == "http://chat.example" || o.String() == "https://chat.example")
		below := o.scheme == "https" && o.port == "443" && strings.HasSuffix(o.host, ".example.com")
		if !own && !below {
			t.Fatalf("%q is allowed", text)
		}
	})
}

// FuzzPattern: an element of the setting is refused, or it matches something.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"https://*.example.com:*", "https://a.example", "app://", "*", "null", "file://", "https://*:8443", "chrome-extension://*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		o := p.origin
		switch {
		case p.all, p.files:
			return
		case p.subdomains:
			o.host = "a." + o.host
		case p.anyHost:
			o.host = "a"
		}
		if p.anyPort {
			o.port = "1"
		}
		sent, err := Parse(o.String())
		if err != nil || !p.matches(sent) {
			t.Fatalf("%q does not match %q (%v)", text, o, err)
		}
	})
}
