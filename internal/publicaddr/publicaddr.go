// Package publicaddr says which addresses nodes may call when users or backends name them:
// those of the internet, and those that the operator allows.
package publicaddr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"im/domain"
)

// notPublic are the parts of the address space that are not reached over the internet, and
// those that lead to IPv4 addresses in another form. IPv6 addresses must also be in global.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

var global = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, text := range list {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

// Parse parses addresses and networks such as 10.0.0.0/8.
func Parse(list []string) ([]netip.Prefix, error) {
	var allowed []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if a, errAddr := netip.ParseAddr(text); err != nil && errAddr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		allowed = append(allowed, p)
	}
	return allowed, nil
}

// Guard says which addresses may be called.
type Guard struct {
	// Allowed are networks that may be called although they are not public.
	Allowed []netip.Prefix
}

// Allows reports whether an address is in one of the networks that the operator allows.
func (g Guard) Allows(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range g.Allowed {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Permits reports whether an address may be called.
func (g Guard) Permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if g.Allows(a) {
		return true
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return a.Is4() || global.Contains(a)
}

// ErrNotPublic means that an address must not be called.
var ErrNotPublic = errors.New("the address is not public, and not in IM_WEBHOOK_ALLOW")

// Control is for net.Dialer: it refuses an address that was resolved and is about to be
// dialled.
func (g Guard) Control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !g.Permits(a.Addr()) {
		return ErrNotPublic
	}
	return nil
}

const resolveTimeout = 3 * time.Second

// Check returns ErrInvalid, at pointer, if the host of a URL cannot be called. What cannot be found out
// now is found out when it is called.
func (g Guard) Check(ctx context.Context, pointer, text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return domain.Invalid(pointer, "must be a URL")
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return domain.Invalid(pointer, "the host is not known")
	}
	for _, a := range addresses {
		if !g.Permits(a) {
			return domain.Invalid(pointer, ErrNotPublic.Error())
		}
	}
	return nil
}
