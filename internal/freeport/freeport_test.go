package freeport_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
)

func TestPort(t *testing.T) {
	for range 100 {
		port, err := freeport.Port()
		require.NoError(t, err)
		require.Less(t, port, 32768)
	}
	addr, err := freeport.Addr()
	require.NoError(t, err)
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
