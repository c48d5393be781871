package realtime

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"im/domain"
)

const subprotocol = "im.v1"

// admit checks a handshake before it is upgraded. The identity is nil if the
// token is to come with the hello.
func (g *Gateway) admit(r *http.Request, from netip.Prefix) (*domain.Identity, int, error) {
	if g.isDraining() {
		return nil, http.StatusServiceUnavailable, errDraining()
	}
	if !g.originAllowed(r) {
		return nil, http.StatusForbidden, domain.ErrForbidden.WithMessage("the origin is not allowed")
	}
	if offered := r.Header.Values("Sec-WebSocket-Protocol"); len(offered) > 0 && !offers(offered, subprotocol) {
		return nil, http.StatusBadRequest, domain.ErrInvalid.WithMessage("the subprotocol is " + subprotocol)
	}
	if err := g.o.RateLimiter.Admit(domain.RateConnect, "", from); err != nil {
		return nil, http.StatusTooManyRequests, err
	}
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return nil, 0, nil
	}
	scheme, raw, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return nil, http.StatusUnauthorized, domain.ErrUnauthenticated
	}
	identity, err := g.o.Authenticator.Verify(r.Context(), strings.TrimSpace(raw))
	if err == nil && identity.User == "" {
		err = domain.ErrUnauthenticated
	}
	if err != nil {
		return nil, tokenStatus(err), err
	}
	return &identity, 0, nil
}

// originAllowed reports whether a request comes from no web page, from one of the
// own host, or from one of an allowed origin.
func (g *Gateway) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return len(r.Header.Values("Origin")) == 0
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) ||
		slices.ContainsFunc(g.o.AllowedOrigins, func(allowed string) bool { return strings.EqualFold(allowed, origin) })
}

func offers(headers []string, protocol string) bool {
	for _, header := range headers {
		for name := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(name) == protocol {
				return true
			}
		}
	}
	return false
}
