package ratelimit

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the proxies whose X-Forwarded-For is trusted.
type proxies []netip.Prefix

func (p proxies) trust(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// clientAddress returns the last hop of a request that is not a trusted proxy;
// zero if the remote address is not an IP address. It ignores what is left of
// that hop in X-Forwarded-For, because a client can write anything there.
func (p proxies) clientAddress(r *http.Request) netip.Addr {
	hop := parseHop(r.RemoteAddr)
	lines := r.Header.Values("X-Forwarded-For")
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; ; {
			if !hop.IsValid() || !p.trust(hop) {
				return hop
			}
			comma := strings.LastIndexByte(rest, ',')
			next := parseHop(strings.TrimSpace(rest[comma+1:]))
			if !next.IsValid() {
				return hop // a proxy that forwards no address counts itself
			}
			hop = next
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return hop
}

// parseHop parses an address with or without a port.
func parseHop(s string) netip.Addr {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

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
