// Package freeport finds free ports for servers whose port must be known before they
// start. The ports are random and below the range of ephemeral ports (32768 and above on
// Linux). So another process hardly ever binds one before its server does, or while the
// server restarts.
package freeport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	lowest = 20_000
	beyond = 32_768
	tries  = 1000
)

// Port returns a TCP port that has no listener at the IPv4 loopback address.
func Port() (int, error) {
	var err error
	for range tries {
		port := lowest + rand.IntN(beyond-lowest)
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", addr(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free: %w", lowest, beyond-1, err)
}

// Addr returns the IPv4 loopback address with such a port, as host:port.
func Addr() (string, error) {
	port, err := Port()
	return addr(port), err
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
