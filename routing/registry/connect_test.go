package registry

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/test/certtest"
	"im/test/eventually"
	"im/test/proxytest"
	"im/test/redistest"
)

func TestParseURL(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for text, want := range map[string]string{
		"":                                           "not a Redis URL",
		"http://user:secret@host":                    "not a Redis URL",
		"redis://user:secret@host:x/":                "percent-encode",
		"redis://:sec#ret@host:1/0":                  "percent-encode",
		"redis://:sec/ret@host:1/0":                  "percent-encode",
		"redis://:sec%ret@host:1/0":                  "percent-encode",
		"://secret":                                  "not a Redis URL",
		"redis://:secret@host/x":                     "database number",
		"redis://:secret@host?colour=1":              "unexpected option: colour",
		"redis://:secret@host?addr=h:1&colour=1":     "unexpected option: colour",
		"redis://:secret@host/1?addr=h:1":            "only database 0",
		"redis://:secret@host?cacertfile=" + missing: "cacertfile: open " + missing,
		"rediss://:secret@host?certfile=" + missing:  "one of them is missing",
		"rediss://:secret@host?verify=maybe":         "verify_peer or verify_none",
		"redis://:secret@host?verify=verify_none":    "rediss://",
		"rediss://:secret@host?keyfile=" + missing + "&certfile=" + missing: "certfile, keyfile: open " + missing,
	} {
		_, err := ParseURL(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
	}
	a, err := ParseURL("rediss://u:p%2F%23%25%40%3A%3F@host/3?read_timeout=7s&skip_verify=true&server_name_indication=other")
	require.NoError(t, err)
	require.Equal(t, []any{"u", "p/#%@:?", 3, "host:6379", "7s"}, []any{
		a.server.Username, a.server.Password, a.server.DB, a.server.Addr, a.server.ReadTimeout.String(),
	})
	config, err := a.dialer.files.Config("host")
	require.NoError(t, err)
	require.Equal(t, "other", config.ServerName)
	require.True(t, config.InsecureSkipVerify)
}

// TestParseURLOfSentinels: who logs in where.
func TestParseURLOfSentinels(t *testing.T) {
	for parameters, want := range map[string][4]string{ // of the servers, of the Sentinels
		"":                       {"u", "p", "u", "p"},
		"&username=&password=":   {"", "", "u", "p"},
		"&username=s&password=t": {"s", "t", "u", "p"},
		"&sentinel_password=q":   {"u", "p", "", "q"},
		"&sentinel_username=v&sentinel_password=q%26": {"u", "p", "v", "q&"},
	} {
		a, err := ParseURL("redis://u:p@host:26379/3?master_name=m" + parameters)
		require.NoError(t, err)
		o := a.sentinels
		require.Equal(t, want, [4]string{o.Username, o.Password, o.SentinelUsername, o.SentinelPassword}, parameters)
		require.Equal(t, 3, o.DB)
	}
}

// TestConnect: each address connects to what it is the address of, or says why not.
func TestConnect(t *testing.T) {
	t.Parallel()
	closing := proxytest.New(t, "127.0.0.1:1")
	password := "p/#%@:? ä"
	plain := redistest.StartServer(t, `requirepass "`+password+`"`)
	replica := redistest.StartServer(t)
	sentinels, cluster := redistest.StartSentinelSet(t, nil, nil), redistest.StartCluster(t, 0)
	replica.Do(t, "replicaof", "127.0.0.1", "1")
	withPassword := "redis://:" + url.UserPassword("", password).String()[1:] + "@" + plain.Addr()
	for name, test := range map[string]struct {
		url  string
		want any    // the kind of client
		err  string // part of an error
	}{
		"one server":                     {url: withPassword, want: &redis.Client{}},
		"another database":               {url: withPassword + "/5", want: &redis.Client{}},
		"a database that does not exist": {url: withPassword + "/16", err: "does not have the database"},
		"no password":                    {url: plain.URL(), err: "requires a user name or a password"},
		"a wrong password":               {url: "redis://:wrong@" + plain.Addr(), err: "does not accept the user name or the password"},
		"a Unix socket with a database":  {url: "unix://" + sentinels.Servers[0].Socket() + "?db=2", want: &redis.Client{}},
		"TLS to a server without":        {url: "rediss://" + plain.Addr(), err: "TLS handshake"},
		"a proxy that closes":            {url: "redis://" + closing.Addr(), err: "must answer HELLO"},
		"nobody":                         {url: "redis://127.0.0.1:1", err: "connection refused"},
		"Sentinels":                      {url: sentinels.URL(), want: &redis.Client{}},
		"Sentinels of another master":    {url: "redis://" + sentinels.Sentinels[0].Addr() + "?master_name=other", err: "do not know a master"},
		"a Sentinel as a server":         {url: sentinels.Sentinels[0].URL(), err: "add ?master_name="},
		"a server as a Sentinel":         {url: "redis://" + replica.Addr() + "?master_name=mymaster", err: "does not know a command"},
		"a replica":                      {url: replica.URL(), err: "read-only replica"},
		"one node of a cluster":          {url: cluster.URL(), want: &redis.ClusterClient{}},
		"nodes of a cluster":             {url: cluster.URLOfAll(), want: &redis.ClusterClient{}},
		"a database of a cluster":        {url: cluster.URL() + "/1", err: "only database 0"},
		"a socket of a cluster":          {url: "unix://" + cluster.Nodes[0].Socket(), err: "TCP address"},
		"a server as a cluster":          {url: withPassword + "?addr=" + plain.Addr(), err: "belongs to no Redis Cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			address, err := ParseURL(test.url)
			require.NoError(t, err)
			client, err := address.Connect(t.Context(), "im")
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.IsType(t, test.want, client.UniversalClient)
			require.NoError(t, client.Close())
		})
	}
}

// TestConnectWithTLS: an authority of one's own, and client certificates.
func TestConnectWithTLS(t *testing.T) {
	t.Parallel()
	ours, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	other, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	pair, err := ours.Issue("client")
	require.NoError(t, err)
	foreign, err := other.Issue("client")
	require.NoError(t, err)
	server, strict := redistest.StartTLSServer(t, ours), redistest.StartTLSServer(t, ours, "tls-auth-clients yes")
	open := func(s *redistest.Server, parameters ...string) error {
		query := url.Values{"dial_timeout": {"30s"}} // of a busy machine
		for i := 0; i < len(parameters); i += 2 {
			query.Set(parameters[i], parameters[i+1])
		}
		address, err := ParseURL("rediss://" + s.Addr() + "?" + query.Encode())
		require.NoError(t, err)
		client, err := address.Connect(t.Context(), "im")
		if err == nil {
			require.NoError(t, client.Close())
		} else {
			err = unavailable(err)
		}
		return err
	}
	require.ErrorContains(t, open(server), "certificate of Redis is not accepted")
	require.ErrorContains(t, open(server, "cacertfile", other.File), "certificate of Redis is not accepted")
	require.NoError(t, open(server, "cacertfile", ours.File))
	require.NoError(t, open(server, "verify", "verify_none"))
	require.NoError(t, open(server, "skip_verify", "true"))
	require.NoError(t, open(server, "cacertfile", ours.File, "server_name_indication", "localhost"))
	require.ErrorContains(t, open(server, "cacertfile", ours.File, "server_name_indication", "example.com"), "not accepted")
	require.ErrorContains(t, open(strict, "cacertfile", ours.File), "client certificate")
	require.ErrorContains(t, open(strict, "cacertfile", ours.File, "certfile", foreign.Cert, "keyfile", foreign.Key), "client certificate")
	require.NoError(t, open(strict, "cacertfile", ours.File, "certfile", pair.Cert, "keyfile", pair.Key))
}

// TestConnectUsesRenewedCertificates: the files are read for each connection.
func TestConnectUsesRenewedCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, err := certtest.New(dir)
	require.NoError(t, err)
	server := redistest.StartTLSServer(t, ours)
	trusted := filepath.Join(dir, "trusted.pem")
	other, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	copyFile(t, other.File, trusted)
	address, err := ParseURL("rediss://" + server.Addr() + "?dial_timeout=30s&cacertfile=" + url.QueryEscape(trusted))
	require.NoError(t, err)
	_, err = address.Connect(t.Context(), "im")
	require.Error(t, err)
	copyFile(t, ours.File, trusted)
	client, err := address.Connect(t.Context(), "im")
	require.NoError(t, err)
	require.NoError(t, client.Close())
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

// leastRights are the rights of a user that docs/redis-rabbitmq.md lists.
const leastRights = "~im:* resetchannels -@all +get +set +exists +del +sadd +srem +smembers +hgetall +hget +hset +hdel +pexpire +eval +evalsha"

// TestConnectWithLeastRights: the rights that the documentation lists are enough, and
// each of them is needed.
func TestConnectWithLeastRights(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t, "user im on >secret "+leastRights)
	documented, err := os.ReadFile("../../docs/redis-rabbitmq.md")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(documented), "on >secret "+leastRights), "docs/redis-rabbitmq.md lists other rights")
	address := "redis://im:secret@" + server.Addr()
	c := newCluster(t, connect(t, address, ""))
	c.prefix = "im"
	n := c.start(t, "a")
	n.connect(t, "u", 1)
	n.add(newEntry("u", "other", 2)) // all are registered again
	n.note(sessionsMissing)
	eventually.True(t, "all sessions are registered", func() bool { return len(c.entries(t, "u")) == 2 })

	for _, right := range []string{"get", "set", "exists", "del", "sadd", "srem", "smembers", "hgetall", "hget", "hset", "hdel", "pexpire", "evalsha"} {
		t.Run("without "+right, func(t *testing.T) {
			server.Do(t, "acl", "setuser", "im", "-"+right)
			defer server.Do(t, "acl", "setuser", "im", "+"+right)
			parsed, err := ParseURL(address)
			require.NoError(t, err)
			_, err = parsed.Connect(t.Context(), "im")
			var setting *SettingError
			require.ErrorAs(t, err, &setting)
			require.ErrorContains(t, err, "docs/redis-rabbitmq.md")
		})
	}
	t.Run("with another prefix", func(t *testing.T) {
		parsed, err := ParseURL(address)
		require.NoError(t, err)
		_, err = parsed.Connect(t.Context(), "other")
		require.ErrorContains(t, err, "denies its user")
	})
}
