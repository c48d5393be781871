package publicaddr_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/publicaddr"
)

func TestPermits(t *testing.T) {
	t.Parallel()
	allowed, err := publicaddr.Parse([]string{"10.1.0.0/16", "fd00::1"})
	require.NoError(t, err)
	g := publicaddr.Guard{Allowed: allowed}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1": true,
		"10.2.0.1": false, "127.0.0.1": false, "0.0.0.0": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false,
		"::1": false, "::": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "fe80::1%eth0": false, "fc00::1": false, "fd00::2": false,
		"ff02::1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001::1": false, "::7f00:1": false, "2001:db8::1": false,
	} {
		require.Equal(t, want, g.Permits(netip.MustParseAddr(address)), address)
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "fe80::1%eth0", "example.org"} {
		_, err := publicaddr.Parse([]string{bad})
		require.Error(t, err, bad)
	}
}
