package ratelimit

import "net/netip"

// subscriberPrefix returns the addresses that count as one: a single IPv4
// address or an IPv6 /64.
func subscriberPrefix(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // not an address: not counted
	}
	return prefix
}
