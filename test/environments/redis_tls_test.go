package environments

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/certtest"
	"im/test/redistest"
)

// TestRedisTLS: an authority of one's own, client certificates, and a cluster that
// speaks TLS only.
func TestRedisTLS(t *testing.T) {
	t.Parallel()
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	pair, err := authority.Issue("client")
	require.NoError(t, err)
	trust := "cacertfile=" + url.QueryEscape(authority.File)
	certificate := "&certfile=" + url.QueryEscape(pair.Cert) + "&keyfile=" + url.QueryEscape(pair.Key)
	t.Run("authority", func(t *testing.T) {
		t.Parallel()
		server := redistest.StartTLSServer(t, authority)
		startNodePair(t, "IM_REDIS_URL="+server.TLSURL()+"?"+trust).requireFastPath()
		requireRefused(t, "IM_REDIS_URL", "certificate", "IM_REDIS_URL="+server.TLSURL(), "IM_START_TIMEOUT=1s")
	})
	t.Run("client certificate", func(t *testing.T) {
		t.Parallel()
		server := redistest.StartTLSServer(t, authority, "tls-auth-clients yes")
		startNodePair(t, "IM_REDIS_URL="+server.TLSURL()+"?"+trust+certificate).requireFastPath()
		requireRefused(t, "IM_REDIS_URL", "certificate", "IM_REDIS_URL="+server.TLSURL()+"?"+trust, "IM_START_TIMEOUT=1s")
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartTLSCluster(t, authority, 0)
		p := startNodePair(t, "IM_REDIS_URL="+cluster.Nodes[0].TLSURL()+"?"+trust)
		p.requireFastPath()
		p.requireStats(2)
	})
}

// TestRedisAddress: a password with characters that must be encoded, a Unix socket, and
// a database other than the first.
func TestRedisAddress(t *testing.T) {
	t.Parallel()
	const password = "p/#%@:?&,ü w"
	server := redistest.StartServer(t, `requirepass "`+password+`"`)
	for name, redisURL := range map[string]string{
		"password and database": server.URLOf("", password) + "/7",
		"Unix socket":           "unix://" + url.UserPassword("", password).String() + "@" + server.Socket() + "?db=8",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startNodePair(t, "IM_REDIS_URL="+redisURL)
			p.requireFastPath()
			p.requireStats(2)
		})
	}
	requireRefused(t, "IM_REDIS_URL", "percent-encode", "IM_REDIS_URL=redis://:"+password+"@"+server.Addr())
	requireRefused(t, "IM_REDIS_URL", "does not accept the user name or the password", "IM_REDIS_URL="+server.URLOf("", "wrong"))
}
