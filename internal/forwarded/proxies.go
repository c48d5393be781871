package forwarded

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of the proxies that are trusted.
type Proxies []netip.Prefix

// ParseProxies parses ranges of addresses in CIDR form, and single addresses.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, text := range list {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if a, err := netip.ParseAddr(text); err == nil {
			a = a.Unmap().WithZone("")
			p = append(p, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither a range such as 10.0.0.0/8 nor an address", text)
		}
		p = append(p, prefix.Masked())
	}
	return p, nil
}

// Trust reports whether a is the address of a trusted proxy.
func (p Proxies) Trust(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Client returns the address of the client: the last hop of a request that is not a
// trusted proxy. It is zero if the remote address is not an IP address.
//
// Client ignores what is left of that hop, because a client can write anything there.
// A proxy that names the client in one of X-Forwarded-For and Forwarded passes on the
// other as the client sent it, and the node cannot know which one that is. So if the
// two name different clients, neither counts: the request is the proxy's own.
func (p Proxies) Client(r *http.Request) netip.Addr {
	remote := ParseHop(r.RemoteAddr)
	if !remote.IsValid() || !p.Trust(remote) {
		return remote
	}
	var hops []string
	for _, line := range r.Header.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(line, ",")...)
	}
	var forwarded []string
	named := false
	for _, e := range parseForwarded(r.Header.Values("Forwarded")) {
		forwarded = append(forwarded, e.client)
		named = named || e.client != ""
	}
	if !named {
		return p.lastUntrusted(remote, hops)
	}
	client := p.lastUntrusted(remote, forwarded)
	if len(hops) > 0 && p.lastUntrusted(remote, hops) != client {
		return remote
	}
	return client
}

// lastUntrusted returns the last hop that is not a trusted proxy. remote comes after
// the last one. A hop without an address counts as the proxy that reported it.
func (p Proxies) lastUntrusted(remote netip.Addr, hops []string) netip.Addr {
	hop := remote
	for i := len(hops) - 1; i >= 0 && p.Trust(hop); i-- {
		next := ParseHop(strings.TrimSpace(hops[i]))
		if !next.IsValid() {
			return hop
		}
		hop = next
	}
	return hop
}

// ParseHop parses an IP address with or without a port. It returns the zero address
// for anything else.
func ParseHop(s string) netip.Addr {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
