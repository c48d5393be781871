package freeport_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
)

func TestPort(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		port, err := freeport.Port()
		require.NoError(t, err)
		require.False(t, seen[port])
		require.Less(t, port, 32768)
		seen[port] = true
	}
	addr, err := freeport.Addr()
	require.NoError(t, err)
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
