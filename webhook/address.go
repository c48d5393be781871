package webhook

import (
	"context"
	"net/netip"
	"syscall"

	"im/internal/publicaddr"
)

// ParseAllowed parses addresses and networks such as 10.0.0.0/8.
func ParseAllowed(list []string) ([]netip.Prefix, error) { return publicaddr.Parse(list) }

// guard says which addresses may be called.
type guard struct{ allowed []netip.Prefix }

var errNotPublic = publicaddr.ErrNotPublic

// control is for net.Dialer: it refuses an address that was resolved and is about to be
// dialled.
func (g guard) control(network, address string, conn syscall.RawConn) error {
	return publicaddr.Guard{Allowed: g.allowed}.Control(network, address, conn)
}

// check returns ErrInvalid if the host of a URL cannot be called.
func (g guard) check(ctx context.Context, text string) error {
	return publicaddr.Guard{Allowed: g.allowed}.Check(ctx, "/url", text)
}
