package broker

import (
	"path/filepath"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/test/certtest"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]struct {
		hosts []string
		uri   amqp091.URI
		tls   bool
	}{
		"amqp://":        {hosts: []string{"localhost:5672"}, uri: amqp091.URI{Username: "guest", Password: "guest", Vhost: "/"}},
		"amqp://u:p@h/v": {hosts: []string{"h:5672"}, uri: amqp091.URI{Username: "u", Password: "p", Vhost: "v"}},
		"amqps://u:p%2F%23%25%40%3A@h:1/a%2Fb%20%23": {
			hosts: []string{"h:1"}, uri: amqp091.URI{Username: "u", Password: "p/#%@:", Vhost: "a/b #"}, tls: true,
		},
		"amqp://u:p@h1,h2:2,[::1]:3,[fe80::1]/%2F?heartbeat=7": {
			hosts: []string{"h1:5672", "h2:2", "[::1]:3", "[fe80::1]:5672"}, uri: amqp091.URI{Username: "u", Password: "p", Vhost: "/"},
		},
		"amqps://u:p@h1/v, amqps://u:p@h2/v,amqps://u:p@h3,h4/v": {
			hosts: []string{"h1:5671", "h2:5671", "h3:5671", "h4:5671"}, uri: amqp091.URI{Username: "u", Password: "p", Vhost: "v"}, tls: true,
		},
		"amqp://u:a,b@h1,h2/v": {hosts: []string{"h1:5672", "h2:5672"}, uri: amqp091.URI{Username: "u", Password: "a,b", Vhost: "v"}},
	} {
		a, err := parseURL(text)
		require.NoError(t, err, text)
		require.Equal(t, want.hosts, a.hosts, text)
		require.Equal(t, want.tls, a.tls, text)
		uri, err := amqp091.ParseURI(a.uri)
		require.NoError(t, err, text)
		require.Equal(t, []string{want.uri.Username, want.uri.Password, want.uri.Vhost}, []string{uri.Username, uri.Password, uri.Vhost}, text)
		require.Equal(t, "amqp", uri.Scheme, "this package speaks TLS, not the client")
	}
	a, err := parseURL("amqp://h?connection_timeout=2500")
	require.NoError(t, err)
	require.Equal(t, 2500*time.Millisecond, a.timeout)
}

func TestParseURLRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":                           "not an AMQP URL",
		"http://user:secret@host/":   "not an AMQP URL",
		"amqp://user:sec#ret@host/":  "percent-encode",
		"amqp://user:sec/ret@host/":  "percent-encode",
		"amqp://user:sec%ret@host/":  "percent-encode",
		"amqp://user:secret@host:x/": "not an AMQP URL",
		"amqp://user:secret@host/v#": "",
		"amqp://user:secret@h1/a,amqp://user:secret@h2/b":                   "hosts only",
		"amqp://user:secret@h1,amqps://user:secret@h2":                      "hosts only",
		"amqps://user:secret@h1,amqps://user:secret@h2?verify=verify_none":  "hosts only",
		"amqp://user:secret@h1?cacertfile=" + authority.File:                "amqps://",
		"amqps://user:secret@h1?cacertfile=" + missing:                      missing,
		"amqps://user:secret@h1?certfile=" + missing:                        "one of them is missing",
		"amqps://user:secret@h1?cacertfile=" + filepath.Dir(authority.File): "cacertfile",
		"amqps://user:secret@h1?verify=none":                                "verify_peer or verify_none",
		"amqp://user:secret@h1?beat=1":                                      `unknown parameter "beat"`,
		"amqp://user:secret@h1?heartbeat=soon":                              "heartbeat is a number",
		"amqp://user:secret@h1?connection_timeout=0":                        "milliseconds",
		"amqp://user:secret@h1?auth_mechanism=kerberos":                     "plain, amqplain or external",
	} {
		_, err := parseURL(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
	}
}
