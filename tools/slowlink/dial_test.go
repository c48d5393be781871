package slowlink

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDial: a peer that writes blocks soon if this end does not read.
func TestDial(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	conn, err := Dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	peer, err := l.Accept()
	require.NoError(t, err)
	defer func() { _ = peer.Close() }()
	require.NoError(t, peer.SetWriteDeadline(time.Now().Add(time.Second)))
	n, err := peer.Write(make([]byte, 64<<20))
	require.Error(t, err)
	require.Less(t, n, 1<<20)
}
