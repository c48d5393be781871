package ratelimit

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are those who may say for whom they ask.
type proxies []netip.Prefix

func (p proxies) trust(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// origin is the last hop of a request that is no trusted proxy; zero if even
// that cannot be told. What stands left of it in X-Forwarded-For is hearsay.
func (p proxies) origin(r *http.Request) netip.Addr {
	hop := parseHop(r.RemoteAddr)
	said := r.Header.Values("X-Forwarded-For")
	for i := len(said) - 1; i >= 0; i-- {
		for rest := said[i]; ; {
			if !hop.IsValid() || !p.trust(hop) {
				return hop
			}
			comma := strings.LastIndexByte(rest, ',')
			next := parseHop(strings.TrimSpace(rest[comma+1:]))
			if !next.IsValid() {
				return hop // a trusted proxy that passes on nonsense answers for it
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

// parseHop reads an address with or without a port.
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

// subscriber is whom an address stands for.
func subscriber(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: not counted
	}
	return prefix
}
