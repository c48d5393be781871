package tlsfiles

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/certtest"
)

func TestTake(t *testing.T) {
	authority, err := certtest.New(t.TempDir())
	require.NoError(t, err)
	pair, err := authority.Issue("client")
	require.NoError(t, err)

	query := url.Values{"other": {"1"}}
	f, found, err := Take(query)
	require.NoError(t, err)
	require.False(t, found)
	config, err := f.Config("host")
	require.NoError(t, err)
	require.Equal(t, "host", config.ServerName)
	require.Nil(t, config.RootCAs, "the authorities of the system")
	require.False(t, config.InsecureSkipVerify)

	query = url.Values{
		"other": {"1"}, "cacertfile": {authority.File}, "certfile": {pair.Cert}, "keyfile": {pair.Key},
		"server_name_indication": {"name"}, "verify": {"verify_none"},
	}
	f, found, err = Take(query)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, url.Values{"other": {"1"}}, query)
	config, err = f.Config("host")
	require.NoError(t, err)
	require.Equal(t, "name", config.ServerName)
	require.NotNil(t, config.RootCAs)
	require.Len(t, config.Certificates, 1)
	require.True(t, config.InsecureSkipVerify)

	for want, query := range map[string]url.Values{
		"verify_peer or verify_none": {"verify": {"none"}},
		"one of them is missing":     {"certfile": {pair.Cert}},
		"no certificate in PEM form": {"cacertfile": {pair.Key}},
		"no such file":               {"cacertfile": {authority.File + "x"}},
		"certfile, keyfile":          {"certfile": {pair.Key}, "keyfile": {pair.Key}},
	} {
		_, _, err := Take(query)
		require.ErrorContains(t, err, want)
	}
}
