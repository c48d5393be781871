package origin

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/forwarded"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"https://app.example.com":         "https://app.example.com",
		"HTTPS://App.Example.COM":         "https://app.example.com",
		"https://app.example.com:443":     "https://app.example.com",
		"http://app.example.com:80":       "http://app.example.com",
		"http://app.example.com:443":      "http://app.example.com:443",
		"https://app.example.com:08443":   "https://app.example.com:8443",
		"https://app.example.com.":        "https://app.example.com.",
		"https://bücher.example":          "https://xn--bcher-kva.example",
		"https://BÜCHER.example":          "https://xn--bcher-kva.example",
		"https://XN--BCHER-KVA.example":   "https://xn--bcher-kva.example",
		"https://faß.example":             "https://xn--fa-hia.example",
		"http://my_app:3000":              "http://my_app:3000",
		"http://localhost":                "http://localhost",
		"http://127.0.0.1:8080":           "http://127.0.0.1:8080",
		"http://[::1]:8080":               "http://[::1]:8080",
		"http://[2001:DB8:0:0:0:0:0:1]":   "http://[2001:db8::1]",
		"capacitor://localhost":           "capacitor://localhost",
		"tauri://localhost":               "tauri://localhost",
		"app://obsidian.md":               "app://obsidian.md",
		"app://.":                         "app://.",
		"myapp://":                        "myapp://",
		"file://":                         "file://",
		"chrome-extension://ABCDEFGHIJ":   "chrome-extension://abcdefghij",
		"moz-extension://6f1c9a6e-5b1c-4": "moz-extension://6f1c9a6e-5b1c-4",
		"null":                            "null",
	} {
		o, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, o.String(), text)
	}
	for text, reason := range map[string]string{
		"":                                        "is empty",
		"app.example.com":                         "has no scheme",
		"//app.example.com":                       "has no scheme",
		"://app.example.com":                      "scheme that is not valid",
		"1https://app.example.com":                "scheme that is not valid",
		"https://":                                "has no host",
		"https://app.example.com/":                "has a path",
		"https://app.example.com/x":               "has a path",
		"https://app.example.com?x":               "has a path or a query",
		"https://app.example.com#x":               "has a path or a query",
		"https://app.example.com\\@evil":          "has a path",
		"https://user@app.example.com":            "has a user name",
		"https://app.example.com:":                "has no port",
		"https://app.example.com:0":               "port that is not valid",
		"https://app.example.com:+443":            "port that is not valid",
		"https://app.example.com:65536":           "port that is not valid",
		"https://a:b:443":                         "IPv6 address without brackets",
		"https://::1":                             "IPv6 address without brackets",
		"https://[::1%25eth0]":                    "IPv6 address that is not valid",
		"https://[1.2.3.4]":                       "IPv6 address that is not valid",
		"https://[::1":                            "not valid",
		"https://a https://b":                     "more than one origin",
		"https://a, https://b":                    "more than one origin",
		"https://*.example.com":                   "host that is not valid",
		"https://a%2eb":                           "host that is not valid",
		"https://127.1":                           "IPv4 address",
		"https://0x7f.0.0.1":                      "IPv4 address",
		"https://0x7f000001":                      "IPv4 address",
		"https://256.1.1.1":                       "IPv4 address",
		"https://xn--a":                           "host that is not valid",
		"https://a\x00b":                          "host that is not valid",
		"https://\xff":                            "host that is not valid",
		"https://" + strings.Repeat("ü", 100_000): "has a host that is too long",
		"NULL":                              "has no scheme",
		"data:text/html;x":                  "has no scheme",
		"https://app.example.com:443:443":   "IPv6 address without brackets",
		"https:///app.example.com":          "has a path",
		"https://app.example.com\thttp://b": "more than one origin",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, reason, text)
	}
}

// sent returns a request to host, with headers "Name: value".
func sent(host string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/v1/ws", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header = header
	return r
}

func from(origin string) http.Header { return http.Header{"Origin": {origin}} }

func policy(t testing.TB, o Options) *Policy {
	t.Helper()
	p, err := New(o)
	require.NoError(t, err)
	return p
}

// TestOwnOrigin: a page of the host that the request was sent to may connect, however
// the two are written.
func TestOwnOrigin(t *testing.T) {
	p := policy(t, Options{})
	for _, c := range []struct {
		host, origin string
		allowed      bool
	}{
		{"chat.example.com", "https://chat.example.com", true},
		{"chat.example.com", "http://chat.example.com", true},
		{"chat.example.com", "https://chat.example.com:443", true},
		{"chat.example.com:443", "https://chat.example.com", true},
		{"chat.example.com:80", "http://chat.example.com", true},
		{"chat.example.com:80", "https://chat.example.com", false},
		{"chat.example.com:8080", "http://chat.example.com:8080", true},
		{"chat.example.com:8080", "http://chat.example.com", false},
		{"chat.example.com", "http://chat.example.com:8080", false},
		{"CHAT.example.COM", "https://chat.Example.com", true},
		{"bücher.example", "https://xn--bcher-kva.example", true},
		{"xn--bcher-kva.example", "https://BÜCHER.example", true},
		{"[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080", true},
		{"[::1]", "http://[::1]", true},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", true},
		{"127.0.0.1:8080", "http://localhost:8080", false},
		{"chat.example.com", "https://chat.example.com.evil.example", false},
		{"chat.example.com", "https://evil.example", false},
		{"chat.example.com", "https://chat.example.com/path", false},
		{"chat.example.com", "https://chat.example.com https://evil.example", false},
		{"chat.example.com", "capacitor://chat.example.com", false},
		{"chat.example.com", "null", false},
		{"chat.example.com", "", false},
	} {
		err := p.Check(sent(c.host, from(c.origin)))
		require.Equal(t, c.allowed, err == nil, "%s at %s: %v", c.origin, c.host, err)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrForbidden)
		}
	}
	require.NoError(t, p.Check(sent("chat.example.com", nil)), "no page")
	twice := http.Header{"Origin": {"https://chat.example.com", "https://chat.example.com"}}
	require.ErrorContains(t, p.Check(sent("chat.example.com", twice)), "2 headers Origin")
}

func TestAllowedOrigins(t *testing.T) {
	for _, c := range []struct{ setting, yes, no []string }{
		{
			[]string{"https://app.example.com"},
			[]string{"https://app.example.com", "https://APP.example.com:443"},
			[]string{"http://app.example.com", "https://app.example.com:8443", "https://a.app.example.com", "https://example.com"},
		},
		{[]string{"HTTPS://App.Example.Com:443"}, []string{"https://app.example.com"}, nil},
		{[]string{" https://a.example ", "", "https://b.example"}, []string{"https://a.example", "https://b.example"}, []string{"https://c.example"}},
		{
			[]string{"https://*.example.com"},
			[]string{"https://a.example.com", "https://a.b.example.com", "https://A.example.com:443"},
			[]string{
				"https://example.com", "https://.example.com", "http://a.example.com", "https://a.example.com:8443",
				"https://aexample.com", "https://a.example.com.evil.example", "https://evil.example/.example.com",
			},
		},
		{[]string{"http://*.example.com:3000"}, []string{"http://a.example.com:3000"}, []string{"http://a.example.com"}},
		{[]string{"https://*.bücher.example"}, []string{"https://a.xn--bcher-kva.example"}, []string{"https://a.bucher.example"}},
		{[]string{"http://localhost:*"}, []string{"http://localhost", "http://localhost:3000"}, []string{"http://127.0.0.1:3000", "https://localhost"}},
		{[]string{"http://[::1]:*"}, []string{"http://[::1]:3000"}, []string{"http://[::2]:3000"}},
		{[]string{"capacitor://localhost"}, []string{"capacitor://localhost", "Capacitor://LocalHost"}, []string{"ionic://localhost", "http://localhost"}},
		{[]string{"ionic://localhost", "tauri://localhost", "https://tauri.localhost"}, []string{"ionic://localhost", "tauri://localhost", "https://tauri.localhost"}, []string{"capacitor://localhost"}},
		{[]string{"app://-", "myapp://", "app://."}, []string{"app://-", "myapp://", "app://."}, []string{"app://", "myapp://x"}},
		{[]string{"file://"}, []string{"file://", "null"}, []string{"https://a.example"}},
		{[]string{"null"}, []string{"null"}, []string{"file://", "https://a.example"}},
		{[]string{"chrome-extension://abcdefghijklmnop"}, []string{"chrome-extension://abcdefghijklmnop"}, []string{"chrome-extension://other"}},
		{[]string{"chrome-extension://*", "moz-extension://*"}, []string{"chrome-extension://other", "moz-extension://6f1c9a6e"}, []string{"https://a.example", "null"}},
		{[]string{"https://*"}, []string{"https://a.example"}, []string{"http://a.example", "https://a.example:8443"}},
		{[]string{"*"}, []string{"https://a.example", "null", "app://x", "file://"}, []string{"", "nonsense", "https://a.example/x"}},
	} {
		p := policy(t, Options{Allowed: c.setting})
		for _, o := range c.yes {
			require.NoError(t, p.Check(sent("chat.example", from(o))), "%q allows %s", c.setting, o)
		}
		for _, o := range c.no {
			require.ErrorIs(t, p.Check(sent("chat.example", from(o))), domain.ErrForbidden, "%q allows %s", c.setting, o)
		}
	}
}

// TestWhatCannotMatchIsRefused: the operator learns at the start, and what to write.
func TestWhatCannotMatchIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"app.example.com":                `"app.example.com" has no scheme such as https://; write https://app.example.com`,
		"https://app.example.com/":       "write https://app.example.com",
		"https://app.example.com/chat":   "write https://app.example.com",
		"wss://app.example.com":          "pages have http or https; write https://app.example.com",
		"https://":                       "has no host",
		"https://*.":                     "no name after the wildcard",
		"https://a.*.example.com":        "wildcard that is not the first label",
		"https://a*.example.com":         "wildcard that is not the first label",
		"https://*.*.example.com":        "wildcard that is not the first label",
		"https://*.10.0.0.1":             "wildcard before an address",
		"https://*.[::1]":                "wildcard before an address",
		"*.example.com":                  "write https://*.example.com",
		"https://127.1":                  "IPv4 address that is not of the form 192.0.2.1",
		"https://app.example.com:99999":  "port that is not valid",
		"data://x":                       "browsers send null",
		"file://host":                    "origin file://",
		"https://a.example https://b":    "is more than one origin; write commas between origins",
		"https://user:pw@a.example":      "has a user name",
		"https://bad host":               "is more than one origin",
		"https://\u200b":                 "host that is not valid",
		"chrome-extension://a/page.html": "write chrome-extension://a",
	} {
		_, err := New(Options{Allowed: []string{"https://good.example", text}})
		require.ErrorContains(t, err, want, text)
	}
}

// TestBehindProxies: a trusted proxy says which host the client has asked for.
func TestBehindProxies(t *testing.T) {
	proxies, err := forwarded.ParseProxies([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	p := policy(t, Options{Proxies: proxies})
	with := func(origin string, header http.Header) http.Header {
		h := header.Clone()
		h.Set("Origin", origin)
		return h
	}
	for name, c := range map[string]struct {
		header  http.Header
		allowed bool
	}{
		"its host":              {with("https://chat.example", http.Header{"X-Forwarded-Host": {"chat.example"}}), true},
		"its host, in capitals": {with("https://chat.example", http.Header{"X-Forwarded-Host": {"CHAT.example:443"}}), true},
		"its port":              {with("https://chat.example:8443", http.Header{"X-Forwarded-Host": {"chat.example"}, "X-Forwarded-Port": {"8443"}}), true},
		"Forwarded":             {with("https://chat.example", http.Header{"Forwarded": {`for=1.2.3.4;host="chat.example"`}}), true},
		"https":                 {with("https://chat.example", http.Header{"X-Forwarded-Host": {"chat.example"}, "X-Forwarded-Proto": {"https"}}), true},
		"http instead of https": {with("http://chat.example", http.Header{"X-Forwarded-Host": {"chat.example"}, "X-Forwarded-Proto": {"https"}}), false},
		"TLS ended before it":   {with("https://chat.example", http.Header{"X-Forwarded-Host": {"chat.example"}, "X-Forwarded-Proto": {"http"}}), true},
		"another host":          {with("https://evil.example", http.Header{"X-Forwarded-Host": {"chat.example"}}), false},
	} {
		err := p.Check(sent("node1:8080", c.header))
		require.Equal(t, c.allowed, err == nil, "%s: %v", name, err)
	}
	untrusted := sent("node1:8080", with("https://chat.example", http.Header{"X-Forwarded-Host": {"chat.example"}}))
	untrusted.RemoteAddr = "192.0.2.1:1"
	require.Error(t, p.Check(untrusted))
}

func TestPublicURL(t *testing.T) {
	public, err := url.Parse("https://Chat.Example/prefix/")
	require.NoError(t, err)
	p := policy(t, Options{PublicURL: public})
	require.NoError(t, p.Check(sent("node1:8080", from("https://chat.example"))))
	require.Error(t, p.Check(sent("node1:8080", from("http://chat.example"))))
	require.NoError(t, p.Check(sent("node1:8080", from("http://node1:8080"))))
}

// TestRefusalSaysWhatDiffers: to the client, and to the operator.
func TestRefusalSaysWhatDiffers(t *testing.T) {
	proxies, err := forwarded.ParseProxies([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	var log bytes.Buffer
	p := policy(t, Options{Proxies: proxies, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	err = p.Check(sent("node1:8080", http.Header{"Origin": {"https://chat.example"}, "X-Forwarded-Host": {"inner.example"}}))
	var refused *domain.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, `the Origin "https://chat.example" differs from the Host "node1:8080" (forwarded: ["inner.example"]) of the request, and IM_ALLOWED_ORIGINS does not name it`, refused.Message)
	for _, want := range []string{"IM_ALLOWED_ORIGINS", "origin=https://chat.example", "host=node1:8080", "forwarded_hosts=inner.example"} {
		require.Contains(t, log.String(), want)
	}
	require.ErrorContains(t, p.Check(sent("chat.example", http.Header{"Origin": {"http://chat.example"}, "X-Forwarded-Proto": {"https"}})), "which browsers reach by https")
	require.ErrorContains(t, p.Check(sent("chat.example", from("https://chat.example/x"))), `the Origin "https://chat.example/x" has a path`)
}

// TestWideOriginsAreLogged: the operator learns that they admit every page.
func TestWideOriginsAreLogged(t *testing.T) {
	for text, wide := range map[string]bool{
		"*": true, "null": true, "file://": true, "https://*": true,
		"https://*.example.com": false, "chrome-extension://*": false, "app://": false, "http://localhost:*": false,
	} {
		var log bytes.Buffer
		policy(t, Options{Allowed: []string{text}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.Equal(t, wide, log.Len() > 0, "%s: %s", text, log.String())
	}
}
