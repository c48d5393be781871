// Package freeport finds ports for servers that have to be told theirs. They lie below
// those that the kernel hands out to whoever asks for any (32768 and above on Linux), and
// are picked at random. So hardly anybody else binds one before its server does, or while
// that is being restarted.
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

// Port returns a TCP port that nobody listens on at the IPv4 loopback address.
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

// Addr is an address with such a port.
func Addr() (string, error) {
	port, err := Port()
	return addr(port), err
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
