package forwarded

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, list ...string) Proxies {
	t.Helper()
	p, err := ParseProxies(list)
	require.NoError(t, err)
	return p
}

func request(remote string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://node:8080/", nil)
	r.RemoteAddr, r.Header = remote, header
	return r
}

func TestParseProxies(t *testing.T) {
	p := parse(t, "10.0.0.0/8", " 192.0.2.7 ", "::1", "")
	for addr, trusted := range map[string]bool{"10.9.9.9": true, "192.0.2.7": true, "192.0.2.8": false, "::1": true, "::2": false} {
		require.Equal(t, trusted, p.Trust(netip.MustParseAddr(addr)), addr)
	}
	for _, bad := range []string{"10.0.0.0/33", "proxy", "10.0.0.1:80", "*"} {
		_, err := ParseProxies([]string{bad})
		require.ErrorContains(t, err, bad)
	}
}

// TestClient: only trusted proxies are believed, up to the last hop that they saw.
func TestClient(t *testing.T) {
	trusted := parse(t, "10.0.0.0/8", "fd00::/8")
	for _, c := range []struct {
		remote         string
		xff, forwarded []string
		want           string
	}{
		{"203.0.113.7:1", nil, nil, "203.0.113.7"},
		{"203.0.113.7:1", []string{"198.51.100.1"}, nil, "203.0.113.7"},
		{"10.0.0.1:1", nil, nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, nil, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, nil, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1, 10.2.3.4"}, nil, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1", "10.2.3.4"}, nil, "1.1.1.1"},
		{"10.0.0.1:1", []string{"10.1.1.1,10.2.3.4"}, nil, "10.1.1.1"},
		{"10.0.0.1:1", []string{"1.1.1.1, nonsense"}, nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{""}, nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1:4711"}, nil, "198.51.100.1"},
		{"10.0.0.1:1", []string{"[2001:db8::1]:4711"}, nil, "2001:db8::1"},
		{"10.0.0.1:1", []string{"2001:db8:0:0:1:2:3:4"}, nil, "2001:db8::1:2:3:4"},
		{"[fd00::1%eth0]:1", []string{"2001:db8::1"}, nil, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, nil, "198.51.100.1"},
		{"[::ffff:198.51.100.1]:1", nil, nil, "198.51.100.1"},
		{"@", nil, nil, "invalid IP"},

		{"203.0.113.7:1", nil, []string{"for=198.51.100.1"}, "203.0.113.7"},
		{"10.0.0.1:1", nil, []string{"for=198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", nil, []string{`proto=https; FOR="[2001:db8::1]:4711" ;host=chat.example`}, "2001:db8::1"},
		{"10.0.0.1:1", nil, []string{"for=1.1.1.1, for=198.51.100.1;by=10.9.9.9", "for=10.2.3.4"}, "198.51.100.1"},
		{"10.0.0.1:1", nil, []string{`for="198.51.100.1:80"`}, "198.51.100.1"},
		{"10.0.0.1:1", nil, []string{"for=1.1.1.1, for=unknown"}, "10.0.0.1"},
		{"10.0.0.1:1", nil, []string{"for=1.1.1.1, for=_secret"}, "10.0.0.1"},
		{"10.0.0.1:1", nil, []string{"for=1.1.1.1, proto=https"}, "10.0.0.1"},
		{"10.0.0.1:1", nil, []string{`for="198.51.100.1`}, "10.0.0.1"},
		{"10.0.0.1:1", nil, []string{`for="1.1.1.1, for=198.51.100.1`}, "10.0.0.1"},

		{"10.0.0.1:1", []string{"198.51.100.1"}, []string{"for=198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, []string{"for=1.1.1.1"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, []string{"nonsense"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, []string{"proto=https;host=a"}, "198.51.100.1"},
	} {
		r := request(c.remote, http.Header{"X-Forwarded-For": c.xff, "Forwarded": c.forwarded})
		require.Equal(t, c.want, trusted.Client(r).String(), "%s %q %q", c.remote, c.xff, c.forwarded)
	}
}

func TestTarget(t *testing.T) {
	trusted := parse(t, "10.0.0.0/8")
	for name, c := range map[string]struct {
		remote string
		header http.Header
		want   Target
	}{
		"nothing":       {"10.0.0.1:1", nil, Target{Hosts: []string{"node:8080"}}},
		"not trusted":   {"192.0.2.1:1", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"host=b;proto=https"}}, Target{Hosts: []string{"node:8080"}}},
		"X-Forwarded":   {"10.0.0.1:1", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-Proto": {"https"}}, Target{Hosts: []string{"node:8080", "a"}, TLS: true}},
		"a port":        {"10.0.0.1:1", http.Header{"X-Forwarded-Host": {"a"}, "X-Forwarded-Port": {"8443"}}, Target{Hosts: []string{"node:8080", "a", "a:8443"}}},
		"two layers":    {"10.0.0.1:1", http.Header{"X-Forwarded-Host": {"a, b"}, "X-Forwarded-Proto": {"https,http"}}, Target{Hosts: []string{"node:8080", "a", "b"}, TLS: true}},
		"plain inside":  {"10.0.0.1:1", http.Header{"X-Forwarded-Proto": {"http"}}, Target{Hosts: []string{"node:8080"}}},
		"Forwarded":     {"10.0.0.1:1", http.Header{"Forwarded": {`for=1.2.3.4;host="a:8443";proto=https, for=10.0.0.9;host=b`}}, Target{Hosts: []string{"node:8080", "a:8443", "b"}, TLS: true}},
		"escaped quote": {"10.0.0.1:1", http.Header{"Forwarded": {`host="a\"b"`}}, Target{Hosts: []string{"node:8080", `a"b`}}},
	} {
		require.Equal(t, c.want, trusted.Target(request(c.remote, c.header)), name)
	}
}

// FuzzClient: an address that no trusted proxy has forwarded never counts.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.1", "[::1]:80", ",,,", "10.0.0.1,", `for="[::1]"`, `for=1.2.3.4;a="\"`} {
		f.Add(seed)
	}
	trusted := parse(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
			header := http.Header{name: {text}}
			require.Equal(t, "203.0.113.7", trusted.Client(request("203.0.113.7:1", header)).String())
			require.True(t, trusted.Client(request("10.0.0.1:1", header)).IsValid())
			require.Equal(t, []string{"node:8080"}, trusted.Target(request("203.0.113.7:1", header)).Hosts)
		}
		// What a trusted proxy appends decides, whatever the client wrote before it.
		appended := http.Header{"X-Forwarded-For": {text, "198.51.100.1"}}
		require.Equal(t, "198.51.100.1", trusted.Client(request("10.0.0.1:1", appended)).String())
	})
}
